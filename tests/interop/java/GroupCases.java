import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentSkipListSet;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ConsumerGroupDescription;
import org.apache.kafka.clients.admin.GroupListing;
import org.apache.kafka.clients.consumer.CommitFailedException;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.consumer.SubscriptionPattern;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.GroupState;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.GroupIdNotFoundException;
import org.apache.kafka.common.errors.GroupNotEmptyException;
import org.apache.kafka.common.errors.InvalidRegularExpression;
import org.apache.kafka.common.errors.RebalanceInProgressException;
import org.apache.kafka.common.errors.UnsupportedAssignorException;

/** Java's consumers in groups, of the classic protocol and of the newer one. */
final class GroupCases {
    private static final int PARTITIONS = 6;

    private final String bootstrap;
    private final Admin admin;
    private final int records;

    private GroupCases(String bootstrap, Admin admin, int records) {
        this.bootstrap = bootstrap;
        this.admin = admin;
        this.records = records;
    }

    public static void main(String[] args) throws Exception {
        int records = Integer.parseInt(args[1]);
        String assignors = "org.apache.kafka.clients.consumer.";
        try (Admin admin = Clients.admin(args[0])) {
            GroupCases cases = new GroupCases(args[0], admin, records);
            Report.run("java groups: classic, range", () -> cases.share("jg-range",
                    "partition.assignment.strategy", assignors + "RangeAssignor"));
            Report.run("java groups: classic, cooperative", () -> cases.share("jg-cooperative",
                    "partition.assignment.strategy", assignors + "CooperativeStickyAssignor"));
            Report.run("java groups: consumer protocol, uniform", () -> cases.share("jg-uniform",
                    "group.protocol", "consumer"));
            Report.run("java groups: consumer protocol, range", () -> cases.share("jg-server-range",
                    "group.protocol", "consumer", "group.remote.assignor", "range"));
            Report.run("java groups: members change their protocol one by one", cases::changes);
            Report.run("java groups: by a pattern of the coordinator's", cases::pattern);
            Report.run("java groups: refusals of the consumer protocol", cases::refusals);
            Report.run("java groups: an admin looks and deletes", cases::admins);
        }
    }

    /** A consumer on a thread of its own, which commits what it has seen. */
    private final class Member implements ConsumerRebalanceListener {
        final Set<TopicPartition> held = new ConcurrentSkipListSet<>(
                java.util.Comparator.comparing(TopicPartition::toString));
        final Map<Integer, Long> next = new TreeMap<>();
        final AtomicLong seen = new AtomicLong();
        final AtomicReference<Exception> failure = new AtomicReference<>();
        private final AtomicBoolean stopping = new AtomicBoolean();
        private final Thread thread;

        Member(String group, String topic, String... settings) {
            List<String> all = new ArrayList<>(List.of(settings));
            all.addAll(List.of("group.id", group, "auto.offset.reset", "earliest",
                    "enable.auto.commit", "false"));
            thread = new Thread(() -> run(topic, all.toArray(String[]::new)));
            thread.start();
        }

        private void run(String topic, String[] settings) {
            try (KafkaConsumer<byte[], byte[]> consumer = Clients.consumer(bootstrap, settings)) {
                consumer.subscribe(List.of(topic), this);
                while (!stopping.get()) {
                    var polled = consumer.poll(Duration.ofMillis(200));
                    for (var one : polled) {
                        Long wanted = next.get(one.partition());
                        // Within what it holds, records come in order and each once.
                        if (wanted != null && wanted != one.offset()) {
                            throw new AssertionError(one.partition() + ": " + one.offset()
                                    + ", not " + wanted);
                        }
                        next.put(one.partition(), one.offset() + 1);
                        seen.incrementAndGet();
                    }
                    if (!polled.isEmpty()) {
                        commit(consumer);
                    }
                }
            } catch (Exception | AssertionError e) {
                failure.set(e instanceof Exception known ? known : new Exception(e));
            }
        }

        private void commit(KafkaConsumer<byte[], byte[]> consumer) {
            try {
                consumer.commitSync();
            } catch (CommitFailedException | RebalanceInProgressException e) {
                // It was left behind in a rebalance, and reads that again.
            }
        }

        @Override
        public void onPartitionsAssigned(Collection<TopicPartition> partitions) {
            partitions.forEach(partition -> next.remove(partition.partition()));
            held.addAll(partitions);
        }

        @Override
        public void onPartitionsRevoked(Collection<TopicPartition> partitions) {
            held.removeAll(partitions);
        }

        void stop() throws Exception {
            stopping.set(true);
            thread.join(60_000);
            Report.equal(thread.isAlive(), false, "a member still runs");
            if (failure.get() != null) {
                throw failure.get();
            }
        }
    }

    private void write(String topic, int count) {
        try (KafkaProducer<byte[], byte[]> producer = Clients.producer(bootstrap)) {
            for (int i = 0; i < count; i++) {
                producer.send(new ProducerRecord<>(topic, i % PARTITIONS, null, new byte[10]));
            }
        }
    }

    private void whole(List<Member> members) throws Exception {
        Report.eventually("every partition held once, by " + members.size(), () -> {
            List<Integer> all = new ArrayList<>();
            for (Member member : members) {
                if (member.failure.get() != null) {
                    throw member.failure.get();
                }
                if (member.held.isEmpty()) {
                    return false;
                }
                member.held.forEach(partition -> all.add(partition.partition()));
            }
            all.sort(null);
            return all.equals(List.of(0, 1, 2, 3, 4, 5));
        });
    }

    /** Three members come one by one and go, under load; everything is read and committed. */
    private void share(String name, String... settings) throws Exception {
        Spread.create(admin, name, PARTITIONS);
        write(name, records);
        List<Member> members = new ArrayList<>();
        for (int count = 1; count <= 3; count++) {
            members.add(new Member(name, name, settings));
            whole(members);
        }
        write(name, PARTITIONS);
        long wanted = (long) records + PARTITIONS;
        eventuallyCommitted(name, name, wanted);
        while (!members.isEmpty()) {
            members.remove(0).stop();
            if (!members.isEmpty()) {
                whole(members);
            }
        }
        eventuallyCommitted(name, name, wanted);
    }

    /** Cooperative members are restarted one by one with the other protocol, and back. */
    private void changes() throws Exception {
        String name = "jg-changes";
        String[] cooperative = {"partition.assignment.strategy",
            "org.apache.kafka.clients.consumer.CooperativeStickyAssignor"};
        String[] consumer = {"group.protocol", "consumer"};
        Spread.create(admin, name, PARTITIONS);
        write(name, records / 10);
        long wanted = records / 10;
        List<Member> members = new ArrayList<>();
        for (int count = 1; count <= 2; count++) {
            members.add(new Member(name, name, cooperative));
            whole(members);
        }
        for (String[] settings : List.of(consumer, cooperative)) {
            for (int count = 1; count <= 2; count++) {
                members.add(new Member(name, name, settings));
                whole(members);
                members.remove(0).stop();
                whole(members);
                write(name, PARTITIONS);
                wanted += PARTITIONS;
                eventuallyCommitted(name, name, wanted);
            }
            String type = admin.describeConsumerGroups(List.of(name)).describedGroups().get(name)
                    .get().type().toString();
            Report.equal(type, settings == consumer ? "Consumer" : "Classic", "type");
        }
        for (Member member : members) {
            member.stop();
        }
    }

    private void eventuallyCommitted(String group, String topic, long wanted) throws Exception {
        long end = System.nanoTime() + 120_000_000_000L;
        while (committed(group, topic) != wanted) {
            if (System.nanoTime() > end) {
                throw new AssertionError("committed " + committed(group, topic) + " of " + wanted);
            }
            Thread.sleep(200);
        }
    }

    private long committed(String group, String topic) throws Exception {
        Map<TopicPartition, OffsetAndMetadata> offsets = admin.listConsumerGroupOffsets(group)
                .partitionsToOffsetAndMetadata().get();
        return offsets.entrySet().stream()
                .filter(row -> row.getKey().topic().equals(topic) && row.getValue() != null)
                .mapToLong(row -> row.getValue().offset()).sum();
    }

    /** A topic that comes later and matches is read; the brokers' own are not. */
    private void pattern() throws Exception {
        Spread.create(admin, "jp-one", 2);
        try (KafkaConsumer<byte[], byte[]> consumer = Clients.consumer(bootstrap,
                "group.id", "jg-pattern", "group.protocol", "consumer")) {
            consumer.subscribe(new SubscriptionPattern("jp-.*|__.*"));
            assigned(consumer, Set.of("jp-one"));
            Spread.create(admin, "jp-two", 1);
            assigned(consumer, Set.of("jp-one", "jp-two"));
        }
    }

    private static void assigned(KafkaConsumer<byte[], byte[]> consumer, Set<String> wanted)
            throws Exception {
        Report.eventually("topics " + wanted, () -> {
            consumer.poll(Duration.ofMillis(200));
            Set<String> topics = new TreeSet<>();
            consumer.assignment().forEach(partition -> topics.add(partition.topic()));
            return topics.equals(wanted);
        });
    }

    private void refusals() throws Exception {
        Report.refused(UnsupportedAssignorException.class, () -> poll(List.of("jp-one"), null,
                "group.remote.assignor", "sticky"));
        Report.refused(InvalidRegularExpression.class, () -> poll(null, "(", "client.id", "c"));
    }

    private void poll(List<String> topics, String pattern, String... settings) {
        List<String> all = new ArrayList<>(List.of(settings));
        all.addAll(List.of("group.id", "jg-refused", "group.protocol", "consumer"));
        try (KafkaConsumer<byte[], byte[]> consumer =
                Clients.consumer(bootstrap, all.toArray(String[]::new))) {
            if (pattern == null) {
                consumer.subscribe(topics);
            } else {
                consumer.subscribe(new SubscriptionPattern(pattern));
            }
            long end = System.nanoTime() + 15_000_000_000L;
            while (System.nanoTime() < end) {
                consumer.poll(Duration.ofMillis(200));
            }
        }
    }

    /** What the tools of Kafka ask: lists, descriptions, deletion. */
    private void admins() throws Exception {
        Spread.create(admin, "jg-admin", PARTITIONS);
        for (String protocol : List.of("classic", "consumer")) {
            String group = "jg-admin-" + protocol;
            Member member = new Member(group, "jg-admin", "group.protocol", protocol);
            whole(List.of(member));
            ConsumerGroupDescription described =
                    admin.describeConsumerGroups(List.of(group)).describedGroups().get(group).get();
            Report.equal(described.groupState(), GroupState.STABLE, "state");
            Report.equal(described.type().toString().toLowerCase(), protocol, "type");
            Report.equal(described.members().iterator().next().assignment().topicPartitions().size(),
                    PARTITIONS, "partitions of the member");
            List<String> listed = admin.listGroups().all().get().stream()
                    .filter(one -> one.groupId().equals(group))
                    .map(GroupCases::shown).toList();
            Report.equal(listed, List.of(protocol + " consumer"), "listed");
            Report.refused(GroupNotEmptyException.class,
                    () -> admin.deleteConsumerGroups(List.of(group)).all().get());
            member.stop();
            admin.deleteConsumerGroups(List.of(group)).all().get();
            Report.refused(GroupIdNotFoundException.class,
                    () -> admin.deleteConsumerGroups(List.of(group)).all().get());
        }
    }

    private static String shown(GroupListing one) {
        return one.type().orElseThrow().toString().toLowerCase() + " " + one.protocol();
    }
}
