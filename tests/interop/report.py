"""One line per case: `pass NAME` or `FAIL NAME: why`. `run` counts them."""

import os
import sys
import time
import traceback


def case(name, check, *args):
    """Runs a check, which fails by raising; returns whether it passed."""
    start = time.monotonic()
    try:
        check(*args)
    except Exception as error:  # whatever a client raises is this case's failure, not the end
        if os.environ.get("INTEROP_TRACE"):
            traceback.print_exc(file=sys.stderr)
        why = f"{type(error).__name__}: {error}".replace("\n", " ")
        print(f"FAIL {name}: {why[:400]}", flush=True)
        return False
    print(f"pass {name} ({time.monotonic() - start:.1f} s)", flush=True)
    return True


def equal(got, wanted, what=""):
    if got != wanted:
        got = repr(got)
        raise AssertionError(f"{what}: {got[:200]}, not {wanted!r}".lstrip(": "))


def eventually(check, seconds=15):
    """Repeats a check until it passes: for what spreads over the cluster in its own time."""
    end = time.monotonic() + seconds
    while True:
        try:
            return check()
        except AssertionError:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)
