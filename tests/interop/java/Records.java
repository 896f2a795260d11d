import java.util.Arrays;

/** The records that every client writes and reads: the same as those of records.py. */
final class Records {
    private static final byte[] ALPHABET = "abcdefghijklmnopqrstuvwxyz012345".getBytes();
    private static final byte[] POOL = pool();

    private Records() {}

    private static byte[] pool() {
        byte[] pool = new byte[128 * 1024];
        long state = 1;
        for (int i = 0; i < pool.length; i++) {
            state = (state * 1103515245L + 12345L) % 2147483648L;
            pool[i] = ALPHABET[(int) ((state >> 16) % ALPHABET.length)];
        }
        return pool;
    }

    static int size(int i) {
        int step = i % 1000;
        if (step == 0) {
            return 65536;
        }
        if (step < 10) {
            return 16384 - step;
        }
        if (step < 100) {
            return 4096 - step;
        }
        return step < 500 ? 300 + step : 1 + i % 100;
    }

    static byte[] value(int i) {
        int start = (int) ((i * 7919L) % 65536);
        return Arrays.copyOfRange(POOL, start, start + size(i));
    }

    static byte[] key(int i) {
        return Integer.toString(i).getBytes();
    }
}
