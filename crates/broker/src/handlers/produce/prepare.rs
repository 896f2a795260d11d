//! What a batch must be before it gets its place, and what the topic makes of it.

use std::ops::RangeInclusive;

use bytes::{Bytes, BytesMut};
use holdfast_kernel::log::TrustedWall;
use holdfast_model::{Clock, ErrorCode, TimestampType, TopicConfig};
use holdfast_wire::{Codec, batch, records};

use super::Refusal;
use crate::partition::PreparedBatch;

/// What a batch is measured against.
#[derive(Debug)]
pub(super) struct Now {
    /// What the clock shows.
    wall_ms: i64,
    /// What the time may be: whoever writes must not suffer because a broker's clock was set.
    possible: RangeInclusive<i64>,
}

impl Now {
    pub(super) fn read(clock: &dyn Clock, wall: &TrustedWall) -> Self {
        let wall_ms = clock.wall_ms();
        Self {
            wall_ms,
            possible: wall.span(wall_ms, clock.monotonic()),
        }
    }
}

/// Checks a batch as Kafka's validator does, and makes it what the topic wants it to be.
pub(super) fn prepare(
    data: &Bytes,
    version: i16,
    config: &TopicConfig,
    now: &Now,
) -> Result<PreparedBatch, Refusal> {
    let invalid = |error: records::Error| (error.code(), Some(error.to_string()));
    if data.len() > config.max_message_bytes as usize {
        let message = format!(
            "a batch of {} bytes is larger than max.message.bytes, {}",
            data.len(),
            config.max_message_bytes
        );
        return Err((ErrorCode::MessageTooLarge, Some(message)));
    }
    let summary = records::validate_produced(data).map_err(invalid)?;
    let attributes = summary.header.attributes;
    let codec = attributes.codec().map_err(|error| {
        (
            ErrorCode::UnsupportedCompressionType,
            Some(error.to_string()),
        )
    })?;
    if !codec.allowed_in_produce(version) {
        return Err((ErrorCode::UnsupportedCompressionType, None));
    }
    if attributes.is_transactional() {
        let message = "transactions are not offered yet".to_owned();
        return Err((ErrorCode::InvalidTxnState, Some(message)));
    }
    let wanted = Codec::for_topic(config.compression_type).filter(|wanted| *wanted != codec);
    let mut bytes = match wanted {
        Some(wanted) => {
            let most = config.max_message_bytes as usize;
            let again = records::recompress(data, wanted, most).map_err(invalid)?;
            BytesMut::from(&again[..])
        }
        None => BytesMut::from(&data[..]),
    };
    let mut append_time_ms = -1;
    let damaged = |error: batch::Error| (error.code(), Some(error.to_string()));
    if config.timestamp_type == TimestampType::LogAppendTime {
        batch::patch_max_timestamp_log_append(&mut bytes, now.wall_ms).map_err(damaged)?;
        append_time_ms = now.wall_ms;
    } else {
        check_timestamps(&summary, config, &now.possible)?;
        if summary.header.max_timestamp != summary.max_timestamp {
            let kind = TimestampType::CreateTime;
            batch::set_max_timestamp(&mut bytes, kind, summary.max_timestamp).map_err(damaged)?;
        }
    }
    let info = batch::to_info(&bytes).map_err(damaged)?;
    Ok(PreparedBatch {
        bytes,
        info,
        append_time_ms,
    })
}

/// Each record's timestamp counts (KIP-937), so the oldest and the newest do.
fn check_timestamps(
    summary: &records::Summary,
    config: &TopicConfig,
    possible: &RangeInclusive<i64>,
) -> Result<(), Refusal> {
    let (min, max) = (summary.min_timestamp, summary.max_timestamp);
    let ahead = max.saturating_sub(*possible.end());
    let behind = possible.start().saturating_sub(min);
    let wrong = if max >= 0 && ahead > config.timestamp_after_max_ms {
        max
    } else if min >= 0 && behind > config.timestamp_before_max_ms {
        min
    } else {
        return Ok(());
    };
    let message = format!(
        "timestamp {wrong} is out of range: it must lie within {} ms before and {} ms after {}",
        config.timestamp_before_max_ms,
        config.timestamp_after_max_ms,
        possible.end()
    );
    Err((ErrorCode::InvalidTimestamp, Some(message)))
}

#[cfg(test)]
mod tests {
    use holdfast_kernel::log::trusted_wall::CLOCK_SLACK;
    use holdfast_kernel::planted::Planted;
    use holdfast_model::{CompressionType, ManualClock};
    use holdfast_wire::build::{BatchBuilder, Record};

    use super::*;

    fn at(wall_ms: i64) -> Now {
        Now {
            wall_ms,
            possible: wall_ms..=wall_ms,
        }
    }

    fn batch(codec: Codec, records: &[(i64, &[u8])]) -> Bytes {
        let mut builder = BatchBuilder::new(codec);
        for (timestamp, value) in records {
            let record = Record {
                timestamp: *timestamp,
                ..Record::value(value)
            };
            builder.push(&record).unwrap();
        }
        builder.finish().unwrap()
    }

    #[test]
    fn a_batch_that_outgrows_the_limit_when_recompressed_is_refused() {
        let kind = CompressionType::Uncompressed;
        let config = TopicConfig {
            compression_type: kind,
            ..TopicConfig::default()
        };
        let zeros = vec![0u8; 20 << 20];
        let small = batch(Codec::Zstd, &[(1, &zeros[..])]);
        assert!(small.len() < 100_000);
        let (code, _) = prepare(&small, 9, &config, &at(1)).unwrap_err();
        assert_eq!(code, ErrorCode::MessageTooLarge);
    }

    #[test]
    fn one_old_record_among_new_ones_is_too_old() {
        let config = TopicConfig {
            timestamp_before_max_ms: 1000,
            ..TopicConfig::default()
        };
        let now = 1_000_000;
        let mixed = batch(Codec::None, &[(now - 5000, &b"a"[..]), (now, &b"b"[..])]);
        let (code, _) = prepare(&mixed, 9, &config, &at(now)).unwrap_err();
        assert_eq!(code, ErrorCode::InvalidTimestamp);
        let without = batch(Codec::None, &[(-1, &b"a"[..])]);
        prepare(&without, 9, &config, &at(now)).unwrap();
    }

    #[test]
    fn a_broker_whose_clock_was_set_back_by_hours_still_takes_records_of_now() {
        const HOURS: i64 = 7_200_000;
        let (config, now) = (TopicConfig::default(), 10 * HOURS);
        let clock = ManualClock::at(now);
        let (monotonic, none) = (clock.monotonic(), Planted::None);
        let wall = TrustedWall::new(clock.wall_ms(), monotonic, CLOCK_SLACK, none);
        clock.jump_wall(-HOURS);
        let set_back = Now::read(&clock, &wall);
        let new = batch(Codec::None, &[(now, &b"a"[..])]);
        let (code, _) = prepare(&new, 9, &config, &at(now - HOURS)).unwrap_err();
        assert_eq!(code, ErrorCode::InvalidTimestamp, "it started that way");
        prepare(&new, 9, &config, &set_back).unwrap();
        let ahead = batch(Codec::None, &[(now + HOURS, &b"a"[..])]);
        let (code, _) = prepare(&ahead, 9, &config, &set_back).unwrap_err();
        assert_eq!(code, ErrorCode::InvalidTimestamp);
    }
}
