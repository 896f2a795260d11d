//! The thread beside the writer: the durable mark, RocksDB's background errors, free space.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::Shared;
use crate::{Error, FaultPoint};

/// How soon a background error or a full disk is noticed. Each look costs a few microseconds.
const TICK: Duration = Duration::from_millis(100);

/// Compactions that look for free space leave this much time between them.
const RECLAIM_PAUSE: Duration = Duration::from_secs(30);

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

/// Frees space when appends are refused for want of it and deletions left something to free. On a
/// thread of its own, because a compaction takes seconds.
pub(super) fn reclaim_at_reserve(shared: &Shared) -> Result<(), Error> {
    let clock = &shared.options.clock;
    let mut last = None;
    while !shared.queue.wait_closed(TICK) {
        let now = clock.monotonic();
        let rested = last.is_none_or(|last| now.since(last) >= RECLAIM_PAUSE);
        if shared.disk.is_refusing() && rested && shared.garbage.load(Ordering::Relaxed) {
            super::reclaim::reclaim(shared)?;
            last = Some(clock.monotonic());
        }
    }
    Ok(())
}
