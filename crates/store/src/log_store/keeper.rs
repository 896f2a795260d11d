//! The thread beside the writer: the durable mark, RocksDB's background errors, free space.

use std::sync::atomic::Ordering;
use std::time::Duration;

use holdfast_model::Monotonic;

use super::Shared;
use crate::{Error, FaultPoint};

/// How soon a background error or a full disk is noticed. Each look costs a few microseconds.
const TICK: Duration = Duration::from_millis(100);

/// Compactions that look for free space leave this much time between them, when appends are refused
/// for want of it and when they are not.
const RECLAIM_PAUSE: Duration = Duration::from_secs(30);
const RECLAIM_PAUSE_AT_EASE: Duration = Duration::from_mins(5);

/// What was deleted waits so long for more: topics are deleted in rows, and so are segments.
const DELETIONS_SETTLE: Duration = Duration::from_secs(30);

/// Runs until the store closes, or until the first error.
pub(super) fn run(shared: &Shared) -> Result<(), Error> {
    let clock = &shared.options.clock;
    let mut marked = clock.monotonic();
    loop {
        let closed = shared
            .queue
            .wait_closed(TICK.min(shared.options.mark_interval));
        if shared.failed.load(Ordering::Acquire) {
            return Ok(());
        }
        shared.db.check_background()?;
        shared.disk.refresh()?;
        let now = clock.monotonic();
        if now.since(marked) >= shared.options.mark_interval {
            let path = &shared.options.path;
            let fault = shared.options.faults.at(FaultPoint::BeforeMark);
            fault.map_err(Error::io("write the mark of", path))?;
            shared.db.record_mark()?;
            marked = now;
        }
        if closed {
            return Ok(());
        }
    }
}

/// Frees the space that deletions left: at once when appends are refused for want of it, else within
/// minutes, so that whoever deletes a topic sees the disk get emptier although nobody writes. On a
/// thread of its own, because a compaction takes seconds.
pub(super) fn reclaim_garbage(shared: &Shared) -> Result<(), Error> {
    let clock = &shared.options.clock;
    let mut last = None;
    let mut noticed = None;
    while !shared.queue.wait_closed(TICK) {
        if !shared.garbage.load(Ordering::Relaxed) {
            noticed = None;
            continue;
        }
        let now = clock.monotonic();
        let since = *noticed.get_or_insert(now);
        if is_due(now, since, last, shared.disk.is_refusing()) {
            super::reclaim::reclaim(shared)?;
            last = Some(clock.monotonic());
            noticed = None;
        }
    }
    Ok(())
}

/// Whether deletions noticed at `since` are to be turned into free space now.
fn is_due(now: Monotonic, since: Monotonic, last: Option<Monotonic>, refusing: bool) -> bool {
    let rested = |pause| last.is_none_or(|last| now.since(last) >= pause);
    if refusing {
        rested(RECLAIM_PAUSE)
    } else {
        now.since(since) >= DELETIONS_SETTLE && rested(RECLAIM_PAUSE_AT_EASE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn space_is_freed_soon_after_a_deletion_and_at_once_when_it_is_short() {
        let at = |seconds| Monotonic::default().plus(Duration::from_secs(seconds));
        assert!(!is_due(at(10), at(0), None, false));
        assert!(is_due(at(30), at(0), None, false));
        assert!(is_due(at(10), at(0), None, true));
        assert!(!is_due(at(130), at(90), Some(at(80)), false));
        assert!(is_due(at(380), at(90), Some(at(80)), false));
        assert!(!is_due(at(109), at(90), Some(at(80)), true));
        assert!(is_due(at(110), at(90), Some(at(80)), true));
    }
}
