//! Finding a record by its time: virtual segments say where to look, index entries in which batch,
//! the batch which record.

use std::ops::ControlFlow;

use holdfast_model::{BatchInfo, Offset, Segment, TopicPartition};
use holdfast_store::LogStore;
use holdfast_wire::records::{self, TimestampedOffset, for_each_record};

/// Index entries read at once: 300 KiB.
const PAGE: usize = 4096;

/// The records that a search may find: from `start`, before `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Range {
    /// First offset.
    pub(super) start: Offset,
    /// The offset after the last one.
    pub(super) end: Offset,
}

/// Why a search ended early.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failed {
    /// The disk.
    #[error(transparent)]
    Store(#[from] holdfast_store::Error),
    /// A batch whose records cannot be read.
    #[error(transparent)]
    Records(#[from] records::Error),
}

impl Range {
    /// The part of a segment in this range; none if they have nothing in common.
    fn within(self, segment: &Segment) -> Option<Self> {
        let part = Self {
            start: self.start.max(segment.base),
            end: self.end.min(segment.end),
        };
        (part.start < part.end).then_some(part)
    }
}

/// The first record of the range whose timestamp is `timestamp` or later. Blocks on the disk.
pub(super) fn first_at_or_after(
    store: &LogStore,
    at: TopicPartition,
    segments: &[Segment],
    range: Range,
    timestamp: i64,
) -> Result<Option<TimestampedOffset>, Failed> {
    let reaching = segments
        .iter()
        .filter(|segment| segment.max_timestamp >= timestamp);
    for part in reaching.filter_map(|segment| range.within(segment)) {
        let mut found = None;
        each_entry(store, at, part, |info| {
            if info.max_timestamp < timestamp {
                return Ok(ControlFlow::Continue(()));
            }
            let Some(batch) = store.batch_at(at, info.base_offset)? else {
                return Ok(ControlFlow::Continue(()));
            };
            found = records::first_at_or_after(&batch.bytes, timestamp, range.start)?;
            Ok(match found {
                Some(_) => ControlFlow::Break(()),
                // The late record of the batch lies before the log start.
                None => ControlFlow::Continue(()),
            })
        })?;
        if let Some(record) = found {
            return Ok(Some(record).filter(|record| record.offset < range.end));
        }
    }
    Ok(None)
}

/// The record of the range with the largest timestamp, the first of equals. Blocks on the disk.
pub(super) fn newest(
    store: &LogStore,
    at: TopicPartition,
    segments: &[Segment],
    range: Range,
) -> Result<Option<TimestampedOffset>, Failed> {
    let mut ordered: Vec<(Range, i64)> = segments
        .iter()
        .filter_map(|segment| Some((range.within(segment)?, segment.max_timestamp)))
        .collect();
    // A segment's largest timestamp is an upper bound for its part of the range. The sort is
    // stable, so that of equal segments the earlier one is looked at first.
    ordered.sort_by_key(|(_, bound)| std::cmp::Reverse(*bound));
    let mut best: Option<TimestampedOffset> = None;
    for (part, bound) in ordered {
        if best.is_some_and(|best| best.timestamp > bound) {
            break;
        }
        if let Some(record) = newest_of(store, at, part, range.start)? {
            let better = best.is_none_or(|best| {
                record.timestamp > best.timestamp
                    || (record.timestamp == best.timestamp && record.offset < best.offset)
            });
            if better {
                best = Some(record);
            }
        }
    }
    Ok(best)
}

fn newest_of(
    store: &LogStore,
    at: TopicPartition,
    part: Range,
    log_start: Offset,
) -> Result<Option<TimestampedOffset>, Failed> {
    let mut best: Option<TimestampedOffset> = None;
    let mut candidate: Option<BatchInfo> = None;
    each_entry(store, at, part, |info| {
        if info.base_offset < log_start {
            // Part of this batch is deleted, so that its own maximum says nothing.
            if let Some(batch) = store.batch_at(at, info.base_offset)? {
                best = newest_record(&batch.bytes, log_start)?;
            }
        } else if candidate.is_none_or(|known| info.max_timestamp > known.max_timestamp) {
            candidate = Some(*info);
        }
        Ok(ControlFlow::Continue(()))
    })?;
    let Some(info) = candidate else {
        return Ok(best);
    };
    if best.is_some_and(|best| best.timestamp >= info.max_timestamp) {
        return Ok(best);
    }
    match store.batch_at(at, info.base_offset)? {
        Some(batch) => Ok(newest_record(&batch.bytes, log_start)?.or(best)),
        None => Ok(best),
    }
}

/// The first of the records with the largest timestamp, of those at or after an offset.
fn newest_record(batch: &[u8], from: Offset) -> Result<Option<TimestampedOffset>, records::Error> {
    let mut best: Option<TimestampedOffset> = None;
    for_each_record(batch, |record| {
        let newer = best.is_none_or(|best| record.timestamp > best.timestamp);
        // -1 is no time.
        if record.offset >= from && record.timestamp >= 0 && newer {
            best = Some(TimestampedOffset {
                offset: record.offset,
                timestamp: record.timestamp,
            });
        }
        ControlFlow::Continue(())
    })?;
    Ok(best)
}

/// Shows the index entries of a range to a visitor until it breaks, a page at a time.
fn each_entry(
    store: &LogStore,
    at: TopicPartition,
    range: Range,
    mut visit: impl FnMut(&BatchInfo) -> Result<ControlFlow<()>, Failed>,
) -> Result<(), Failed> {
    let mut from = range.start;
    while from < range.end {
        let page = store.index(at, from, range.end, PAGE)?;
        let Some(last) = page.last() else {
            return Ok(());
        };
        from = last.end_offset();
        for info in &page {
            if visit(info)?.is_break() {
                return Ok(());
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
