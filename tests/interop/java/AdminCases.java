import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.CreateTopicsOptions;
import org.apache.kafka.clients.admin.DescribeClusterResult;
import org.apache.kafka.clients.admin.FeatureUpdate;
import org.apache.kafka.clients.admin.FeatureUpdate.UpgradeType;
import org.apache.kafka.clients.admin.ListOffsetsResult.ListOffsetsResultInfo;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.QuorumInfo;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.clients.admin.UpdateFeaturesOptions;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.ElectionType;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.TopicCollection;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.TopicPartitionInfo;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.ElectionNotNeededException;
import org.apache.kafka.common.errors.InvalidConfigurationException;
import org.apache.kafka.common.errors.InvalidPartitionsException;
import org.apache.kafka.common.errors.InvalidReplicationFactorException;
import org.apache.kafka.common.errors.InvalidRequestException;
import org.apache.kafka.common.errors.InvalidTopicException;
import org.apache.kafka.common.errors.InvalidUpdateVersionException;
import org.apache.kafka.common.errors.OffsetOutOfRangeException;
import org.apache.kafka.common.errors.TopicExistsException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;
import org.apache.kafka.common.quota.ClientQuotaAlteration;
import org.apache.kafka.common.quota.ClientQuotaEntity;
import org.apache.kafka.common.quota.ClientQuotaFilter;
import org.apache.kafka.common.quota.ClientQuotaFilterComponent;

/** What Java's Admin does to topics, settings, offsets and the cluster. Argument: BOOTSTRAP. */
final class AdminCases {
    private final String bootstrap;
    private final Admin admin;

    private AdminCases(String bootstrap, Admin admin) {
        this.bootstrap = bootstrap;
        this.admin = admin;
    }

    public static void main(String[] args) throws Exception {
        try (Admin admin = Clients.admin(args[0])) {
            AdminCases cases = new AdminCases(args[0], admin);
            Report.run("java admin: a user's program creates test-topic", cases::userProgram);
            Report.run("java admin: creating topics", cases::creating);
            Report.run("java admin: what cannot be created", cases::refusing);
            Report.run("java admin: adding partitions", cases::adding);
            Report.run("java admin: settings of a topic", cases::topicSettings);
            Report.run("java admin: settings of a broker", cases::brokerSettings);
            Report.run("java admin: offsets by name and by time", cases::offsets);
            Report.run("java admin: deleting records", cases::deletingRecords);
            Report.run("java admin: deleting topics", cases::deletingTopics);
            Report.run("java admin: the cluster", cases::cluster);
            Report.run("java admin: the metadata quorum", cases::quorum);
            Report.run("java admin: features", cases::features);
            Report.run("java admin: quotas of clients", cases::quotas);
            Report.run("java admin: elections", cases::elections);
        }
    }

    private void features() throws Exception {
        var shown = admin.describeFeatures().featureMetadata().get();
        var group = shown.finalizedFeatures().get("group.version");
        Report.equal(group == null ? 0 : group.maxVersionLevel(), (short) 1, "group.version");
        update("group.version", 1, UpgradeType.UPGRADE);
        Report.refused(InvalidUpdateVersionException.class,
                () -> update("group.version", 0, UpgradeType.SAFE_DOWNGRADE));
        Report.refused(InvalidUpdateVersionException.class,
                () -> update("share.version", 1, UpgradeType.UPGRADE));
    }

    private void update(String feature, int level, UpgradeType type) throws Exception {
        var updates = Map.of(feature, new FeatureUpdate((short) level, type));
        admin.updateFeatures(updates, new UpdateFeaturesOptions()).all().get();
    }

    private void quotas() throws Exception {
        var alice = new ClientQuotaEntity(Map.of(ClientQuotaEntity.USER, "alice"));
        Map<String, String> parts = new HashMap<>();
        parts.put(ClientQuotaEntity.USER, "alice");
        parts.put(ClientQuotaEntity.CLIENT_ID, null);
        var anyOfAlice = new ClientQuotaEntity(parts);
        alter(alice, "consumer_byte_rate", 2048.0);
        alter(anyOfAlice, "producer_byte_rate", 1024.0);
        var ofUser = ClientQuotaFilterComponent.ofEntity(ClientQuotaEntity.USER, "alice");
        var alone = Map.of(alice, Map.of("consumer_byte_rate", 2048.0));
        shows(ClientQuotaFilter.containsOnly(List.of(ofUser)), alone, "alice's alone");
        var both = Map.of(alice, Map.of("consumer_byte_rate", 2048.0),
                anyOfAlice, Map.of("producer_byte_rate", 1024.0));
        shows(ClientQuotaFilter.contains(List.of(ofUser)), both, "all of alice's");
        Report.refused(InvalidRequestException.class, () -> alter(alice, "speed", 1.0));
        alter(alice, "consumer_byte_rate", null);
        alter(anyOfAlice, "producer_byte_rate", null);
        shows(ClientQuotaFilter.all(), Map.of(), "nothing is left");
    }

    private void alter(ClientQuotaEntity entity, String key, Double value) throws Exception {
        var op = new ClientQuotaAlteration.Op(key, value);
        var alteration = new ClientQuotaAlteration(entity, List.of(op));
        admin.alterClientQuotas(List.of(alteration)).all().get();
    }

    /** Every broker hears of it in its own time. */
    private void shows(ClientQuotaFilter filter,
            Map<ClientQuotaEntity, Map<String, Double>> wanted, String what) throws Exception {
        Report.eventually(what,
                () -> admin.describeClientQuotas(filter).entities().get().equals(wanted));
    }

    private void elections() throws Exception {
        create("elected", 3);
        TopicPartition first = new TopicPartition("elected", 0);
        var unclean = admin.electLeaders(ElectionType.UNCLEAN, Set.of(first)).partitions().get();
        Report.equal(unclean.get(first).get() instanceof ElectionNotNeededException, true,
                "it has a leader");
        TopicPartition missing = new TopicPartition("elected", 7);
        var refused = admin.electLeaders(ElectionType.PREFERRED, Set.of(missing));
        var told = refused.partitions().get().get(missing).get();
        Report.equal(told instanceof UnknownTopicOrPartitionException, true, "no such partition");
        admin.electLeaders(ElectionType.PREFERRED, null).partitions().get();
        TopicDescription topic = describe("elected");
        for (TopicPartitionInfo partition : topic.partitions()) {
            Report.equal(partition.leader().id(), partition.replicas().get(0).id(), "leader");
        }
    }

    private void create(String name, int partitions) throws Exception {
        Spread.create(admin, name, partitions);
    }

    private TopicDescription describe(String name) throws Exception {
        return admin.describeTopics(List.of(name)).allTopicNames().get().get(name);
    }

    private void userProgram() throws Exception {
        CreateTestTopic.main(new String[] {bootstrap});
        Spread.everywhere(admin, "test-topic");
        TopicDescription topic = describe("test-topic");
        Report.equal(topic.partitions().size(), 3, "partitions");
        for (TopicPartitionInfo partition : topic.partitions()) {
            Report.equal(racks(partition.replicas()), Set.of("a", "b", "c"), "zones");
            Report.equal(partition.replicas().size(), 3, "replicas");
        }
        // On a busy machine a broker may have been too slow for a moment; then it leads again soon.
        Report.eventually("its preferred leader leads each", () ->
                describe("test-topic").partitions().stream()
                        .allMatch(p -> p.leader().id() == p.replicas().get(0).id()
                                && p.isr().size() == 3));
    }

    private static Set<String> racks(List<Node> nodes) {
        return nodes.stream().map(Node::rack).collect(Collectors.toSet());
    }

    private void creating() throws Exception {
        NewTopic placed = new NewTopic("placed", Map.of(0, List.of(2, 0), 1, List.of(1, 2)));
        placed.configs(Map.of("retention.ms", "3600000"));
        NewTopic usual = new NewTopic("usual", Optional.empty(), Optional.empty());
        var created = admin.createTopics(List.of(placed, usual));
        created.all().get();
        Spread.everywhere(admin, "placed");
        Spread.everywhere(admin, "usual");
        Report.equal(created.replicationFactor("placed").get(), 2, "replication factor");
        Report.equal(created.replicationFactor("usual").get(), 3, "usual replication factor");
        Report.equal(
                created.config("placed").get().get("retention.ms").value(), "3600000", "setting");
        List<Integer> replicas =
                describe("placed").partitions().get(0).replicas().stream().map(Node::id).toList();
        Report.equal(replicas, List.of(2, 0), "replicas");
        Report.equal(describe("placed").topicId(), created.topicId("placed").get(), "topic id");
        Set<String> names = admin.listTopics().names().get();
        Report.equal(names.containsAll(List.of("placed", "usual")), true, "listed");
        Uuid id = created.topicId("usual").get();
        var ids = TopicCollection.ofTopicIds(List.of(id));
        Report.equal(
                admin.describeTopics(ids).allTopicIds().get().get(id).name(), "usual", "by id");
    }

    private void refused(Class<? extends Exception> wanted, NewTopic topic) throws Exception {
        Report.refused(wanted, () -> admin.createTopics(List.of(topic)).all().get());
    }

    private void refusing() throws Exception {
        create("taken", 1);
        refused(TopicExistsException.class, new NewTopic("taken", 1, (short) 3));
        refused(InvalidTopicException.class, new NewTopic("no spaces", 1, (short) 3));
        refused(InvalidTopicException.class, new NewTopic("..", 1, (short) 3));
        create("dots.and", 1);
        refused(InvalidTopicException.class, new NewTopic("dots_and", 1, (short) 3));
        refused(InvalidTopicException.class, new NewTopic("n".repeat(250), 1, (short) 3));
        refused(InvalidReplicationFactorException.class, new NewTopic("four", 1, (short) 4));
        refused(InvalidReplicationFactorException.class, new NewTopic("zero", 1, (short) 0));
        refused(InvalidPartitionsException.class, new NewTopic("none", 0, (short) 3));
        NewTopic wrong = new NewTopic("wrong", 1, (short) 3);
        wrong.configs(Map.of("cleanup.policy", "burn"));
        refused(InvalidConfigurationException.class, wrong);
        wrong.configs(Map.of("no.such.setting", "1"));
        refused(InvalidConfigurationException.class, wrong);
        admin.createTopics(
                        List.of(new NewTopic("only-checked", 1, (short) 3)),
                        new CreateTopicsOptions().validateOnly(true))
                .all()
                .get();
        Set<String> names = admin.listTopics().names().get();
        for (String name : List.of("four", "zero", "none", "wrong", "only-checked")) {
            Report.equal(names.contains(name), false, name);
        }
    }

    private void adding() throws Exception {
        create("grows", 2);
        admin.createPartitions(Map.of("grows", NewPartitions.increaseTo(5))).all().get();
        // The other brokers hear of it in their own time.
        Report.eventually("five partitions", () -> describe("grows").partitions().size() == 5);
        Report.eventually("leaders of all", () ->
                describe("grows").partitions().stream()
                        .allMatch(p -> p.leader() != null && racks(p.isr()).size() == 3));
        Report.refused(InvalidPartitionsException.class, () ->
                admin.createPartitions(Map.of("grows", NewPartitions.increaseTo(5))).all().get());
        Report.refused(InvalidPartitionsException.class, () ->
                admin.createPartitions(Map.of("grows", NewPartitions.increaseTo(3))).all().get());
        Report.refused(UnknownTopicOrPartitionException.class, () ->
                admin.createPartitions(Map.of("unknown", NewPartitions.increaseTo(3))).all().get());
    }

    private ConfigEntry setting(ConfigResource resource, String name) throws Exception {
        Map<ConfigResource, Config> all = admin.describeConfigs(List.of(resource)).all().get();
        return all.get(resource).get(name);
    }

    private void alter(ConfigResource resource, String name, String value) throws Exception {
        var type = value == null ? AlterConfigOp.OpType.DELETE : AlterConfigOp.OpType.SET;
        AlterConfigOp op = new AlterConfigOp(new ConfigEntry(name, value), type);
        admin.incrementalAlterConfigs(Map.of(resource, List.of(op))).all().get();
    }

    private void topicSettings() throws Exception {
        create("tuned", 1);
        ConfigResource tuned = new ConfigResource(ConfigResource.Type.TOPIC, "tuned");
        Report.equal(setting(tuned, "min.insync.replicas").value(), "2", "default");
        Report.equal(setting(tuned, "retention.ms").value(), "604800000", "default");
        Report.equal(setting(tuned, "retention.ms").isDefault(), true, "is default");
        alter(tuned, "retention.ms", "60000");
        Report.eventually("the new value",
                () -> setting(tuned, "retention.ms").value().equals("60000"));
        Report.equal(
                setting(tuned, "retention.ms").source(),
                ConfigEntry.ConfigSource.DYNAMIC_TOPIC_CONFIG,
                "source");
        alter(tuned, "retention.ms", null);
        Report.eventually("the default again",
                () -> setting(tuned, "retention.ms").value().equals("604800000"));
        Report.refused(InvalidConfigurationException.class,
                () -> alter(tuned, "max.message.bytes", "-5"));
        Report.refused(InvalidConfigurationException.class,
                () -> alter(tuned, "compression.type", "middle-out"));
        Report.refused(InvalidConfigurationException.class,
                () -> alter(tuned, "no.such.setting", "1"));
        ConfigResource unknown = new ConfigResource(ConfigResource.Type.TOPIC, "unknown");
        Report.refused(UnknownTopicOrPartitionException.class,
                () -> setting(unknown, "retention.ms"));
    }

    private void brokerSettings() throws Exception {
        ConfigResource broker = new ConfigResource(ConfigResource.Type.BROKER, "1");
        Config config = admin.describeConfigs(List.of(broker)).all().get().get(broker);
        Report.equal(config.get("broker.rack").value(), "b", "broker.rack");
        for (ConfigEntry entry : config.entries()) {
            if (entry.isReadOnly() && entry.source() == ConfigEntry.ConfigSource.UNKNOWN) {
                throw new AssertionError(entry.name() + " has no source");
            }
        }
    }

    private long offset(TopicPartition partition, OffsetSpec spec) throws Exception {
        return found(partition, spec).offset();
    }

    private ListOffsetsResultInfo found(TopicPartition at, OffsetSpec spec) throws Exception {
        return admin.listOffsets(Map.of(at, spec)).partitionResult(at).get();
    }

    private static final long EPOCH = 1_700_000_000_000L;

    /** Ten records a second apart, but the seventh is the newest. */
    private TopicPartition timed(String topic) throws Exception {
        create(topic, 1);
        try (KafkaProducer<byte[], byte[]> producer = Clients.producer(bootstrap)) {
            for (int i = 0; i < 10; i++) {
                long time = EPOCH + (i == 6 ? 100_000 : i * 1000);
                producer.send(new ProducerRecord<>(topic, 0, time, null, Records.key(i))).get();
            }
        }
        return new TopicPartition(topic, 0);
    }

    private void offsets() throws Exception {
        TopicPartition at = timed("timed");
        Report.equal(offset(at, OffsetSpec.earliest()), 0L, "earliest");
        Report.equal(offset(at, OffsetSpec.latest()), 10L, "latest");
        Report.equal(offset(at, OffsetSpec.maxTimestamp()), 6L, "max timestamp");
        Report.equal(found(at, OffsetSpec.maxTimestamp()).timestamp(), EPOCH + 100_000, "its time");
        Report.equal(offset(at, OffsetSpec.forTimestamp(EPOCH)), 0L, "by time");
        Report.equal(offset(at, OffsetSpec.forTimestamp(EPOCH + 3500)), 4L, "by time");
        Report.equal(offset(at, OffsetSpec.forTimestamp(EPOCH + 50_000)), 6L, "by time");
        Report.equal(offset(at, OffsetSpec.forTimestamp(EPOCH + 100_001)), -1L, "after all");
        Report.equal(offset(at, OffsetSpec.earliestLocal()), 0L, "earliest local");
        Report.equal(offset(at, OffsetSpec.latestTiered()), -1L, "latest tiered");
        TopicPartition missing = new TopicPartition("timed", 9);
        Report.refused(Exception.class, () -> admin
                .listOffsets(Map.of(missing, OffsetSpec.latest()))
                .partitionResult(missing)
                .get(3, java.util.concurrent.TimeUnit.SECONDS));
    }

    private void deletingRecords() throws Exception {
        TopicPartition at = timed("shortened");
        var deleted = admin.deleteRecords(Map.of(at, RecordsToDelete.beforeOffset(4)));
        Report.equal(deleted.lowWatermarks().get(at).get().lowWatermark(), 4L, "low watermark");
        Report.equal(offset(at, OffsetSpec.earliest()), 4L, "earliest");
        Report.equal(offset(at, OffsetSpec.forTimestamp(EPOCH)), 4L, "by time");
        Report.refused(OffsetOutOfRangeException.class, () ->
                admin.deleteRecords(Map.of(at, RecordsToDelete.beforeOffset(11))).all().get());
        var all = admin.deleteRecords(Map.of(at, RecordsToDelete.beforeOffset(-1)));
        Report.equal(all.lowWatermarks().get(at).get().lowWatermark(), 10L, "all deleted");
        Report.equal(offset(at, OffsetSpec.maxTimestamp()), -1L, "no newest record");
    }

    private void deletingTopics() throws Exception {
        create("gone", 3);
        create("gone-by-id", 3);
        Uuid id = describe("gone-by-id").topicId();
        admin.deleteTopics(List.of("gone")).all().get();
        admin.deleteTopics(TopicCollection.ofTopicIds(List.of(id))).all().get();
        Report.eventually("both gone", () -> {
            Set<String> names = new HashSet<>(admin.listTopics().names().get());
            return !names.contains("gone") && !names.contains("gone-by-id");
        });
        Report.refused(UnknownTopicOrPartitionException.class,
                () -> admin.deleteTopics(List.of("gone")).all().get());
        // The name is free again, for another topic.
        create("gone-by-id", 1);
        Report.equal(describe("gone-by-id").topicId().equals(id), false, "the same id");
    }

    private void cluster() throws Exception {
        DescribeClusterResult cluster = admin.describeCluster();
        Report.equal(racks(List.copyOf(cluster.nodes().get())), Set.of("a", "b", "c"), "zones");
        Node controller = cluster.controller().get();
        Report.equal(cluster.nodes().get().contains(controller), true, "controller");
        Report.equal(cluster.clusterId().get().length(), 22, "length of the cluster id");
    }

    private void quorum() throws Exception {
        QuorumInfo quorum = admin.describeMetadataQuorum().quorumInfo().get();
        Set<Integer> voters = quorum.voters().stream()
                .map(QuorumInfo.ReplicaState::replicaId)
                .collect(Collectors.toSet());
        Report.equal(voters, Set.of(0, 1, 2), "voters");
        Report.equal(voters.contains(quorum.leaderId()), true, "the leader is a voter");
        Report.equal(quorum.highWatermark() > 0, true, "high watermark above 0");
        // Only the leader of the quorum knows how far the others are; the client asks any broker.
        for (int question = 0; question < 6; question++) {
            quorum = admin.describeMetadataQuorum().quorumInfo().get();
            long known = quorum.voters().stream().filter(voter -> voter.logEndOffset() > 0).count();
            Report.equal(known, 3L, "log ends known");
        }
    }
}
