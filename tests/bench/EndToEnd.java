import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.Collectors;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * How long records take from when they are due until they are read, by Kafka's own clients at their
 * defaults. A record is due by the rate alone: a stall is not hidden by those that could not be sent.
 *
 * <p>Usage: EndToEnd BOOTSTRAP TOPIC RATE WARM_UP_SECONDS SECONDS SIZE
 */
public final class EndToEnd {
    private static final long SECOND = 1_000_000_000L;

    /** How long what was sent may take to be read. */
    private static final long LATE = 60 * SECOND;

    public static void main(String[] args) throws Exception {
        String bootstrap = args[0];
        String topic = args[1];
        int rate = Integer.parseInt(args[2]);
        int warmUp = rate * Integer.parseInt(args[3]);
        int count = warmUp + rate * Integer.parseInt(args[4]);
        int size = Integer.parseInt(args[5]);

        Map<String, Object> reading = Map.of("bootstrap.servers", bootstrap);
        try (KafkaConsumer<byte[], byte[]> consumer =
                new KafkaConsumer<>(reading, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            List<TopicPartition> partitions = consumer.partitionsFor(topic).stream()
                    .map(partition -> new TopicPartition(topic, partition.partition()))
                    .collect(Collectors.toList());
            consumer.assign(partitions);
            consumer.seekToEnd(partitions);
            partitions.forEach(consumer::position);

            AtomicReference<Exception> failed = new AtomicReference<>();
            long start = System.nanoTime();
            Thread sender = new Thread(() -> send(bootstrap, topic, rate, count, size, start, failed));
            sender.start();

            long[] took = new long[count];
            long last = start;
            int read = 0;
            long end = start + count * SECOND / rate + LATE;
            while (read < count && failed.get() == null && System.nanoTime() < end) {
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(100))) {
                    last = System.nanoTime();
                    ByteBuffer value = ByteBuffer.wrap(record.value());
                    took[value.getInt()] = last - value.getLong();
                    read++;
                }
            }
            sender.join();
            if (failed.get() != null) {
                throw failed.get();
            }
            if (read != count) {
                throw new IllegalStateException(read + " of " + count + " records were read");
            }
            long[] counted = Arrays.copyOfRange(took, warmUp, count);
            Arrays.sort(counted);
            System.out.printf(
                    "{\"records_per_s\": %.1f, \"p50_ms\": %.3f, \"p99_ms\": %.3f, \"max_ms\": %.3f}%n",
                    count * 1e9 / (last - start),
                    counted[counted.length / 2] / 1e6,
                    counted[(int) (counted.length * 0.99)] / 1e6,
                    counted[counted.length - 1] / 1e6);
        }
    }

    private static void send(
            String bootstrap,
            String topic,
            int rate,
            int count,
            int size,
            long start,
            AtomicReference<Exception> failed) {
        Map<String, Object> writing = Map.of("bootstrap.servers", bootstrap, "acks", "all");
        try (KafkaProducer<byte[], byte[]> producer =
                new KafkaProducer<>(writing, new ByteArraySerializer(), new ByteArraySerializer())) {
            for (int number = 0; number < count && failed.get() == null; number++) {
                long due = start + number * SECOND / rate;
                for (long early = due - System.nanoTime(); early > 0; early = due - System.nanoTime()) {
                    LockSupport.parkNanos(early);
                }
                byte[] value = new byte[size];
                ByteBuffer.wrap(value).putInt(number).putLong(due);
                producer.send(new ProducerRecord<>(topic, value), (written, error) -> {
                    if (error != null) {
                        failed.compareAndSet(null, error);
                    }
                });
            }
        } catch (RuntimeException error) {
            failed.compareAndSet(null, error);
        }
    }

    private EndToEnd() {}
}
