"""Looks through what the members of a group wrote down (group_member.py).

No partition had two owners at a time; but who lost it unheard may have thought so for a while, and its commits were
refused then. No committed offset moved back. Whoever got a partition began no lower than what was committed
before, and no higher than what anybody asked to commit: nothing was lost, nothing was skipped.

`group_judge.py LOG...` looks through the logs of members that nobody killed.
"""

import bisect
import pathlib
import sys

from report import equal

# So long before the end of a log each partition was committed at least, seconds.
STANDS_STILL = 30


class Life:
    """A member from its start to its end."""

    def __init__(self, path):
        self.path = pathlib.Path(path)
        self.ended = None
        self.events = []
        self.read = 0

    def look(self):
        """What has been written down up to now, as (time, what, partition, offset)."""
        if self.path.exists():
            with self.path.open("rb") as file:
                file.seek(self.read)
                text = file.read()
            whole = text[: text.rfind(b"\n") + 1]
            self.read += len(whole)
            for line in whole.decode().splitlines():
                at, what, partition, rest = line.split()
                offset = int(rest) if rest.lstrip("-").isdigit() else rest
                self.events.append((float(at), what, int(partition), offset))
        return self.events

    def committed_since(self, since):
        """Partitions that it read something of since then, and committed that."""
        reads, done = set(), set()
        for at, what, partition, _ in self.look():
            if at < since:
                continue
            if what == "reads":
                reads.add(partition)
            elif what == "committed" and partition in reads:
                done.add(partition)
        return done

    def owned(self):
        """(partition, from, until, how it ended); one that it holds still has no end."""
        begun, spans = {}, []
        for at, what, partition, _ in self.look():
            if what == "assigned":
                begun[partition] = at
            elif what in ("revoked", "lost") and partition in begun:
                spans.append((partition, begun.pop(partition), at, what))
        end = float("inf") if self.ended is None else self.ended
        return spans + [(partition, at, end, "held") for partition, at in begun.items()]


def committed(lives):
    """The greatest offset of each partition that somebody was told is committed."""
    ends = {}
    for life in lives:
        for _, what, partition, offset in life.look():
            if what == "committed":
                ends[partition] = max(ends.get(partition, 0), offset)
    return ends


def judge(lives):
    """Raises if something is wrong; says how much there was to look at."""
    spans = [(span, life) for life in lives for span in life.owned()]
    owners(spans)
    commits = list(pairs(lives))
    told = Highest((partition, at, offset) for partition, at, _, offset in commits)
    moved_back(commits, told)
    begins(lives, told)
    lost = sum(span[3] == "lost" for span, _ in spans)
    return f"{len(lives)} members, {len(spans)} times a partition was given, {lost} times lost, {len(commits)} commits"


class Highest:
    """The highest of the offsets of each partition before a moment."""

    def __init__(self, events):
        self.times, self.highest = {}, {}
        for partition, at, offset in sorted(events):
            highest = self.highest.setdefault(partition, [0])
            highest.append(max(offset, highest[-1]))
            self.times.setdefault(partition, []).append(at)

    def before(self, partition, moment):
        times = self.times.get(partition, [])
        return self.highest.get(partition, [0])[bisect.bisect_left(times, moment)]


def owners(spans):
    for (one, a) in spans:
        for (other, b) in spans:
            if a is b or one[0] != other[0] or "lost" in (one[3], other[3]):
                continue
            if one[1] <= other[1] < one[2]:
                raise AssertionError(f"two read partition {one[0]}: {a.path.name} {one}, {b.path.name} {other}")


def pairs(lives):
    """(partition, when it was told, when it was asked for, offset) of each commit that was acknowledged."""
    for life in lives:
        asked = {}
        for at, what, partition, offset in life.look():
            if what == "commits":
                asked[partition] = at
            elif what == "committed":
                # A client may commit more than the last that was asked for, if it asks again for what failed.
                yield partition, at, asked.get(partition, at), offset


def moved_back(commits, told):
    """A commit that was asked for after another one was acknowledged is no lower."""
    for partition, _, asked, offset in commits:
        before = told.before(partition, asked)
        if offset < before:
            raise AssertionError(f"partition {partition}: {before} was committed, then {offset}")


def begins(lives, told):
    """Where each began to read a partition that it was given."""
    wanted = Highest(
        (partition, at, offset)
        for life in lives
        for at, what, partition, offset in life.look()
        if what == "commits"
    )
    checked = 0
    for life in lives:
        given = {}
        for at, what, partition, offset in life.look():
            if what == "assigned":
                given[partition] = at
            elif what in ("revoked", "lost"):
                given.pop(partition, None)
            elif what == "reads" and partition in given:
                since = given.pop(partition)
                least, most = told.before(partition, since), wanted.before(partition, at)
                if not least <= offset <= most:
                    raise AssertionError(
                        f"{life.path.name} read partition {partition} from {offset}, not from {least} to {most}"
                    )
                checked += 1
    equal(checked > 0, True, "anybody began to read")


def finds_what_is_wrong(directory):
    """The judge itself: it lets a sound story pass, and none of those that are not."""
    sound = [
        "1 assigned 0 -1", "2 reads 0 0", "3 commits 0 5", "4 committed 0 5", "5 revoked 0 -1",
    ]
    next_one = ["6 assigned 0 -1", "7 reads 0 5", "8 commits 0 9", "9 committed 0 9"]
    stories = {
        "nothing": next_one,
        "two read": ["4.5 assigned 0 -1", *next_one[1:]],
        "then 4": [*next_one[:2], "8 commits 0 4", "9 committed 0 4"],
        # However much lies between the two.
        "309 was committed, then 8": [
            *next_one[:2],
            *(f"{8 + i} commit{end} 0 {9 + i // 2}" for i in range(602) for end in ["ted" if i % 2 else "s"]),
            "700 commits 0 8", "701 committed 0 8",
        ],
        "from 4, not": ["6 assigned 0 -1", "7 reads 0 4", *next_one[2:]],
        "from 6, not": ["6 assigned 0 -1", "7 reads 0 6", *next_one[2:]],
    }
    for number, (wrong, story) in enumerate(stories.items()):
        lives = []
        for name, lines in (("a", sound), ("b", story)):
            lives.append(Life(pathlib.Path(directory) / f"story-{number}-{name}.log"))
            lives[-1].path.write_text("".join(f"{line}\n" for line in lines))
        try:
            judge(lives)
            found = "nothing"
        except AssertionError as error:
            found = str(error)
        equal(wrong in found, True, f"{wrong}: {found}")


def main():
    lives = [Life(path) for path in sys.argv[1:]]
    print(judge(lives))
    last = max(at for life in lives for at, _, _, _ in life.look())
    done = {p: at for life in lives for at, what, p, _ in life.look() if what == "committed"}
    stands = [p for p, at in done.items() if at < last - STANDS_STILL]
    equal(stands, [], "partitions that nobody committed in the end")


if __name__ == "__main__":
    main()
