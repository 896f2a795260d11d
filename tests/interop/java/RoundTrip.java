import java.time.Duration;
import java.util.List;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;

/** Writes and reads the records with every codec. Arguments: BOOTSTRAP [RECORDS]. */
final class RoundTrip {
    private static final int PARTITIONS = 3;

    public static void main(String[] args) throws Exception {
        String bootstrap = args[0];
        int count = args.length > 1 ? Integer.parseInt(args[1]) : 100_000;
        try (Admin admin = Clients.admin(bootstrap)) {
            for (String codec : List.of("none", "gzip", "snappy", "lz4", "zstd")) {
                String topic = "java-" + codec;
                NewTopic created = new NewTopic(topic, PARTITIONS, (short) 3);
                admin.createTopics(List.of(created)).all().get();
                String name = "java, " + codec;
                if (Report.run(name + ": writes", () -> write(bootstrap, topic, codec, count))) {
                    Report.run(name + ": reads", () -> read(bootstrap, topic, count));
                }
                admin.deleteTopics(List.of(topic)).all().get();
            }
        }
    }

    static void write(String bootstrap, String topic, String codec, int count) throws Exception {
        try (KafkaProducer<byte[], byte[]> producer =
                Clients.producer(
                        bootstrap,
                        "enable.idempotence", "true",
                        "acks", "all",
                        "linger.ms", "5",
                        "compression.type", codec)) {
            @SuppressWarnings({"unchecked", "rawtypes"})
            Future<RecordMetadata>[] sent = new Future[count];
            for (int i = 0; i < count; i++) {
                byte[] key = Records.key(i);
                ProducerRecord<byte[], byte[]> record =
                        new ProducerRecord<>(topic, i % PARTITIONS, key, Records.value(i));
                record.headers().add("n", key);
                sent[i] = producer.send(record);
            }
            for (Future<RecordMetadata> one : sent) {
                one.get(120, TimeUnit.SECONDS);
            }
        }
    }

    static void read(String bootstrap, String topic, int count) {
        try (KafkaConsumer<byte[], byte[]> consumer = Clients.consumer(bootstrap)) {
            List<TopicPartition> partitions = Clients.partitions(topic, PARTITIONS);
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            Checker checker = new Checker(count);
            long end = System.nanoTime() + 120_000_000_000L;
            while (!checker.done() && System.nanoTime() < end) {
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofSeconds(1))) {
                    checker.add(record);
                }
            }
            checker.finish();
        }
    }
}
