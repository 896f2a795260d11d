import java.util.Objects;

/** One line per case: `pass NAME` or `FAIL NAME: why`. The script `run` counts them. */
final class Report {
    /** What a case does; it fails by throwing. */
    interface Check {
        void run() throws Exception;
    }

    /** A check that passes in its own time. */
    interface Condition {
        boolean holds() throws Exception;
    }

    private Report() {}

    static boolean run(String name, Check check) {
        long start = System.nanoTime();
        try {
            check.run();
        } catch (Exception | AssertionError e) {
            if (System.getenv("INTEROP_TRACE") != null) {
                e.printStackTrace();
            }
            System.out.println(("FAIL " + name + ": " + e).replace('\n', ' '));
            return false;
        }
        double seconds = (System.nanoTime() - start) / 1e9;
        System.out.printf("pass %s (%.1f s)%n", name, seconds);
        return true;
    }

    static void equal(Object got, Object wanted, String what) {
        if (!Objects.equals(got, wanted)) {
            throw new AssertionError(what + ": " + got + ", not " + wanted);
        }
    }

    static void eventually(String what, Condition condition) throws Exception {
        long end = System.nanoTime() + 60_000_000_000L;
        while (!condition.holds()) {
            if (System.nanoTime() > end) {
                throw new AssertionError(what + ": not within 60 s");
            }
            Thread.sleep(100);
        }
    }

    /** Fails unless the check throws this error, as itself or as a cause. */
    static void refused(Class<? extends Exception> wanted, Check check) throws Exception {
        try {
            check.run();
        } catch (Exception e) {
            for (Throwable cause = e; cause != null; cause = cause.getCause()) {
                if (wanted.isInstance(cause)) {
                    return;
                }
            }
            throw e;
        }
        throw new AssertionError("no " + wanted.getSimpleName());
    }
}
