//! Finding records by timestamp, for `ListOffsets`.

use std::ops::ControlFlow;

use holdfast_model::{Offset, TimestampType};

use super::{Error, for_each_record};
use crate::batch::BatchHeader;

/// A record's place and time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimestampedOffset {
    /// Its offset.
    pub offset: Offset,
    /// Its timestamp, milliseconds since 1970.
    pub timestamp: i64,
}

/// The first record of a batch at or after an offset whose timestamp is `timestamp` or later.
pub fn first_at_or_after(
    batch: &[u8],
    timestamp: i64,
    from: Offset,
) -> Result<Option<TimestampedOffset>, Error> {
    let mut found = None;
    for_each_record(batch, |record| {
        if record.timestamp < timestamp || record.offset < from {
            return ControlFlow::Continue(());
        }
        found = Some(TimestampedOffset {
            offset: record.offset,
            timestamp: record.timestamp,
        });
        ControlFlow::Break(())
    })?;
    Ok(found)
}

/// The first of the records with the largest timestamp of a batch; `None` if it has no records.
pub fn max_timestamp(batch: &[u8]) -> Result<Option<TimestampedOffset>, Error> {
    let header = BatchHeader::parse_whole(batch)?;
    let mut best: Option<TimestampedOffset> = None;
    for_each_record(batch, |record| {
        if best.is_none_or(|best| record.timestamp > best.timestamp) {
            best = Some(TimestampedOffset {
                offset: record.offset,
                timestamp: record.timestamp,
            });
        }
        // With append time all records have the same timestamp: the first one is the answer.
        if header.attributes.timestamp_type() == TimestampType::LogAppendTime {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    })?;
    Ok(best)
}
