import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.Metric;
import org.apache.kafka.common.MetricName;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.InvalidTopicException;
import org.apache.kafka.common.errors.NotEnoughReplicasException;
import org.apache.kafka.common.errors.RecordTooLargeException;
import org.apache.kafka.common.errors.TimeoutException;

/**
 * What Java's producer and consumer do besides writing and reading. Arguments: BOOTSTRAP, the port
 * of the metrics of broker 0 (the others follow), and the command that breaks brokers of this
 * cluster, to which `kill N` and `revive N` are added.
 */
final class ClientCases {
    private final String bootstrap;
    private final Admin admin;
    private final int metrics;
    private final List<String> dev;

    private ClientCases(String bootstrap, Admin admin, int metrics, List<String> dev) {
        this.bootstrap = bootstrap;
        this.admin = admin;
        this.metrics = metrics;
        this.dev = dev;
    }

    public static void main(String[] args) throws Exception {
        int metrics = Integer.parseInt(args[1]);
        List<String> dev = List.of(args).subList(2, args.length);
        try (Admin admin = Clients.admin(args[0])) {
            ClientCases cases = new ClientCases(args[0], admin, metrics, dev);
            Report.run("java: a topic comes with its first record", cases::autoCreated);
            Report.run("java: topics that do not exist", cases::unknown);
            Report.run("java: a record too large", cases::tooLarge);
            Report.run("java: a batch too large is split", cases::split);
            Report.run("java: the broker's time", cases::logAppendTime);
            Report.run("java: a topic recompresses", cases::recompressed);
            Report.run("java: a consumer reads from the follower in its zone", cases::follower);
            Report.run("java: clients survive a change of leader", cases::leaderChange);
            Report.run("java: too few replicas in sync", cases::belowMinimum);
        }
    }

    private TopicPartition create(String topic, Map<String, String> configs) throws Exception {
        // Led by the broker of zone a.
        NewTopic wanted = new NewTopic(topic, Map.of(0, List.of(0, 1, 2))).configs(configs);
        admin.createTopics(List.of(wanted)).all().get();
        Spread.everywhere(admin, topic);
        return new TopicPartition(topic, 0);
    }

    private List<ConsumerRecord<byte[], byte[]>> readAll(TopicPartition partition, int count) {
        try (KafkaConsumer<byte[], byte[]> consumer = Clients.consumer(bootstrap)) {
            consumer.assign(List.of(partition));
            consumer.seekToBeginning(List.of(partition));
            List<ConsumerRecord<byte[], byte[]>> all = new ArrayList<>();
            long end = System.nanoTime() + 30_000_000_000L;
            while (all.size() < count && System.nanoTime() < end) {
                consumer.poll(Duration.ofMillis(500)).forEach(all::add);
            }
            Report.equal(all.size(), count, "records read");
            return all;
        }
    }

    private void autoCreated() throws Exception {
        try (KafkaProducer<byte[], byte[]> producer = Clients.producer(bootstrap)) {
            producer.send(new ProducerRecord<>("auto-created", 0, null, Records.value(1))).get();
        }
        TopicDescription topic =
                admin.describeTopics(List.of("auto-created")).allTopicNames().get()
                        .get("auto-created");
        Report.equal(topic.partitions().size(), 3, "partitions");
        Report.equal(topic.partitions().get(0).replicas().size(), 3, "replicas");
        readAll(new TopicPartition("auto-created", 0), 1);
    }

    private void unknown() throws Exception {
        String[] quick = {"max.block.ms", "2000"};
        try (KafkaProducer<byte[], byte[]> producer = Clients.producer(bootstrap, quick)) {
            Report.refused(InvalidTopicException.class,
                    () -> producer.send(new ProducerRecord<>("no spaces", new byte[1])).get());
            producer.send(new ProducerRecord<>("three-only", new byte[1])).get();
            Report.refused(TimeoutException.class,
                    () -> producer.send(new ProducerRecord<>("three-only", 9, null, null)).get());
        }
        String[] settings = {"allow.auto.create.topics", "false"};
        try (KafkaConsumer<byte[], byte[]> consumer = Clients.consumer(bootstrap, settings)) {
            Duration wait = Duration.ofSeconds(5);
            Report.equal(consumer.partitionsFor("nobody-made-it", wait), List.of(), "partitions");
        }
        Report.equal(admin.listTopics().names().get().contains("nobody-made-it"), false, "made");
    }

    private void tooLarge() throws Exception {
        TopicPartition at = create("small-records", Map.of("max.message.bytes", "10000"));
        try (KafkaProducer<byte[], byte[]> producer = Clients.producer(bootstrap)) {
            Report.refused(RecordTooLargeException.class, () -> producer
                    .send(new ProducerRecord<>(at.topic(), 0, null, new byte[10_001])).get());
            // The same producer goes on.
            producer.send(new ProducerRecord<>(at.topic(), 0, null, new byte[9_000])).get();
        }
        Report.equal(readAll(at, 1).get(0).value().length, 9_000, "bytes");
    }

    /**
     * Zeros teach the producer that its records shrink; noise then makes batches that are larger
     * than it believed. It cuts those in two when the broker refuses them.
     */
    private void split() throws Exception {
        TopicPartition at = create("small-batches", Map.of("max.message.bytes", "10000"));
        String[] settings = {"batch.size", "9000", "linger.ms", "20", "compression.type", "zstd"};
        int zeros = 8000;
        int count = zeros + 500;
        Random noise = new Random(7);
        try (KafkaProducer<byte[], byte[]> producer = Clients.producer(bootstrap, settings)) {
            List<Future<RecordMetadata>> sent = new ArrayList<>();
            for (int i = 0; i < count; i++) {
                byte[] value = new byte[1000];
                if (i >= zeros) {
                    noise.nextBytes(value);
                }
                sent.add(producer.send(
                        new ProducerRecord<>(at.topic(), 0, Records.key(i), value)));
            }
            for (Future<RecordMetadata> one : sent) {
                one.get(60, TimeUnit.SECONDS);
            }
            double splits = 0;
            for (Map.Entry<MetricName, ? extends Metric> entry : producer.metrics().entrySet()) {
                if (entry.getKey().name().equals("batch-split-total")) {
                    splits += (double) entry.getValue().metricValue();
                }
            }
            Report.equal(splits > 0, true, "some batch was split");
        }
        List<ConsumerRecord<byte[], byte[]>> all = readAll(at, count);
        for (int i = 0; i < count; i++) {
            Report.equal(new String(all.get(i).key()), Integer.toString(i), "key");
        }
    }

    private void logAppendTime() throws Exception {
        TopicPartition at =
                create("append-time", Map.of("message.timestamp.type", "LogAppendTime"));
        long before = System.currentTimeMillis();
        long said;
        try (KafkaProducer<byte[], byte[]> producer = Clients.producer(bootstrap)) {
            said = producer.send(new ProducerRecord<>(at.topic(), 0, 5L, null, new byte[1])).get()
                    .timestamp();
        }
        ConsumerRecord<byte[], byte[]> record = readAll(at, 1).get(0);
        Report.equal(record.timestamp(), said, "the time in the answer");
        Report.equal(said >= before && said <= System.currentTimeMillis(), true, "now");
        Report.equal(record.timestampType().name, "LogAppendTime", "kind of time");
    }

    private void recompressed() throws Exception {
        TopicPartition at = create("recompressed", Map.of("compression.type", "zstd"));
        String[] settings = {"compression.type", "gzip", "linger.ms", "50"};
        try (KafkaProducer<byte[], byte[]> producer = Clients.producer(bootstrap, settings)) {
            for (int i = 0; i < 1000; i++) {
                producer.send(new ProducerRecord<>(
                        at.topic(), 0, Records.key(i), Records.value(i)));
            }
        }
        List<ConsumerRecord<byte[], byte[]>> all = readAll(at, 1000);
        for (int i = 0; i < 1000; i++) {
            Report.equal(
                    new String(all.get(i).value(), StandardCharsets.US_ASCII),
                    new String(Records.value(i), StandardCharsets.US_ASCII),
                    "value " + i);
        }
    }

    private void follower() throws Exception {
        TopicPartition at = create("near", Map.of());
        int count = 2000;
        try (KafkaProducer<byte[], byte[]> producer = Clients.producer(bootstrap)) {
            for (int i = 0; i < count; i++) {
                producer.send(new ProducerRecord<>(at.topic(), 0, Records.key(i), new byte[1000]));
            }
        }
        String[] settings = {"client.rack", "c", "max.partition.fetch.bytes", "50000"};
        try (KafkaConsumer<byte[], byte[]> consumer = Clients.consumer(bootstrap, settings)) {
            consumer.assign(List.of(at));
            consumer.seekToBeginning(List.of(at));
            int seen = 0;
            long end = System.nanoTime() + 30_000_000_000L;
            while (seen < count && System.nanoTime() < end) {
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofSeconds(1))) {
                    Report.equal(new String(record.key()), Integer.toString(seen), "key");
                    seen++;
                }
            }
            Report.equal(seen, count, "records");
            double followed = received(consumer, 2);
            double led = received(consumer, 0);
            if (followed < count * 1000 || led > count * 100) {
                throw new AssertionError(followed + " bytes from zone c, " + led + " from zone a");
            }
        }
    }

    private static double received(KafkaConsumer<byte[], byte[]> consumer, int broker) {
        for (Map.Entry<MetricName, ? extends Metric> entry : consumer.metrics().entrySet()) {
            MetricName name = entry.getKey();
            if (name.name().equals("incoming-byte-total")
                    && ("node-" + broker).equals(name.tags().get("node-id"))) {
                return (double) entry.getValue().metricValue();
            }
        }
        return 0;
    }

    private void belowMinimum() throws Exception {
        TopicPartition at = create("all-three", Map.of("min.insync.replicas", "3"));
        String[] once = {"enable.idempotence", "false", "retries", "0"};
        try (KafkaProducer<byte[], byte[]> producer = Clients.producer(bootstrap, once)) {
            producer.send(new ProducerRecord<>(at.topic(), 0, null, new byte[1])).get();
            dev("kill", 2);
            Report.eventually("the ISR shrinks", () -> admin.describeTopics(List.of(at.topic()))
                    .allTopicNames().get().get(at.topic()).partitions().get(0).isr().size() == 2);
            Report.refused(NotEnoughReplicasException.class, () -> producer
                    .send(new ProducerRecord<>(at.topic(), 0, null, new byte[1])).get());
        } finally {
            dev("revive", 2);
        }
        readAll(at, 1);
    }

    private void dev(String fault, int broker) throws Exception {
        List<String> command = new ArrayList<>(dev);
        command.addAll(List.of(fault, Integer.toString(broker)));
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        String output = new String(process.getInputStream().readAllBytes());
        Report.equal(process.waitFor(), 0, String.join(" ", command) + ": " + output);
    }

    /** How often the brokers 1 and 2, which stay, were asked where an epoch ends. */
    private long epochsAsked() throws Exception {
        long asked = 0;
        for (int broker : new int[] {1, 2}) {
            URI page = URI.create("http://127.0.0.1:" + (metrics + broker) + "/metrics");
            String text = HttpClient.newHttpClient()
                    .send(HttpRequest.newBuilder(page).build(), BodyHandlers.ofString())
                    .body();
            String name = "holdfast_request_answered_total{api=\"OffsetForLeaderEpoch\"} ";
            asked += text.lines()
                    .filter(line -> line.startsWith(name))
                    .mapToLong(line -> Long.parseLong(line.substring(name.length())))
                    .sum();
        }
        return asked;
    }

    /**
     * A consumer validates its position by OffsetForLeaderEpoch when the leader changes: it must
     * come out with every acknowledged record once and in order, without being reset.
     */
    private void leaderChange() throws Exception {
        TopicPartition at = create("moving", Map.of());
        long asked = epochsAsked();
        AtomicBoolean stop = new AtomicBoolean();
        AtomicReference<Object> written = new AtomicReference<>();
        Thread writer = new Thread(() -> written.set(writeUntil(at, stop)));
        writer.start();
        long next = 0;
        String[] settings = {"auto.offset.reset", "none"};
        Duration brief = Duration.ofMillis(100);
        try (KafkaConsumer<byte[], byte[]> consumer = Clients.consumer(bootstrap, settings)) {
            consumer.assign(List.of(at));
            consumer.seek(at, 0);
            long start = System.nanoTime();
            int fault = 0;
            while (written.get() == null || next < (long) written.get()) {
                long seconds = (System.nanoTime() - start) / 1_000_000_000L;
                if (fault == 0 && seconds >= 2) {
                    dev("kill", 0);
                    fault = 1;
                } else if (fault == 1 && seconds >= 6) {
                    dev("revive", 0);
                    fault = 2;
                } else if (fault == 2 && seconds >= 15) {
                    stop.set(true);
                    fault = 3;
                }
                if (written.get() instanceof Exception e) {
                    throw e;
                }
                Report.equal(seconds < 90, true, "done within 90 s, " + next + " records");
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(brief)) {
                    Report.equal(new String(record.key()), Long.toString(next), "next record");
                    next++;
                }
            }
            Report.equal(fault, 3, "faults done");
        } finally {
            stop.set(true);
            writer.join();
        }
        Report.equal(next, written.get(), "records read");
        Report.equal(epochsAsked() > asked, true, "the position was validated");
        Report.eventually("broker 0 leads again", () -> {
            var partition = admin.describeTopics(List.of(at.topic())).allTopicNames().get()
                    .get(at.topic()).partitions().get(0);
            return partition.leader().id() == 0 && partition.isr().size() == 3;
        });
    }

    /** Writes with the producer's defaults until told to stop: how many, or what went wrong. */
    private Object writeUntil(TopicPartition at, AtomicBoolean stop) {
        try (KafkaProducer<byte[], byte[]> producer = Clients.producer(bootstrap)) {
            List<Future<RecordMetadata>> sent = new ArrayList<>();
            int count = 0;
            while (!stop.get()) {
                sent.add(producer.send(
                        new ProducerRecord<>(at.topic(), 0, Records.key(count), new byte[500])));
                count++;
                Thread.sleep(1);
            }
            for (Future<RecordMetadata> one : sent) {
                one.get(60, TimeUnit.SECONDS);
            }
            return (long) count;
        } catch (ExecutionException | InterruptedException | RuntimeException e) {
            return e;
        } catch (java.util.concurrent.TimeoutException e) {
            return e;
        }
    }
}
