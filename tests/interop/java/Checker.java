import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.header.Header;

/** Checks that records arrive: each once, whole, and ascending in their partition. */
final class Checker {
    private final int count;
    private final Map<Integer, long[]> last = new HashMap<>();
    private int seen;
    private long total;

    Checker(int count) {
        this.count = count;
    }

    void add(ConsumerRecord<byte[], byte[]> record) {
        int i = Integer.parseInt(new String(record.key()));
        long[] before = last.computeIfAbsent(record.partition(), p -> new long[] {-1, -1});
        if (i <= before[0] || record.offset() <= before[1]) {
            throw new AssertionError(
                    "partition " + record.partition() + ": record " + i + " at " + record.offset()
                            + " after " + before[0] + " at " + before[1]);
        }
        Header header = record.headers().lastHeader("n");
        // kcat gives one set of headers to all its records.
        String said = header == null ? "nothing" : new String(header.value());
        if (!said.equals("kcat") && !said.equals(Integer.toString(i))) {
            throw new AssertionError("record " + i + ": its header says " + said);
        }
        if (!Arrays.equals(record.value(), Records.value(i))) {
            throw new AssertionError(
                    "record " + i + " at " + record.partition() + "/" + record.offset() + ": "
                            + record.value().length + " wrong bytes");
        }
        before[0] = i;
        before[1] = record.offset();
        seen++;
        total += i;
    }

    boolean done() {
        return seen >= count;
    }

    int seen() {
        return seen;
    }

    void finish() {
        // Ascending in each partition, so a number can only come twice in two of them; the sum
        // shows that.
        long wanted = (long) count * (count - 1) / 2;
        if (seen != count || total != wanted) {
            throw new AssertionError(
                    seen + " of " + count + " records, sum off by " + (total - wanted));
        }
    }
}
