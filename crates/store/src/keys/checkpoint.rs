//! A log's checkpoint: version byte, then the fields in MessagePack.

use holdfast_model::{LogCheckpoint, Offset, limits};

use super::DecodeError;
use super::fields::Fields;

const VERSION: u8 = 1;
const WHAT: &str = "checkpoint";

/// The checkpoint's bytes.
pub(crate) fn encode_checkpoint(checkpoint: &LogCheckpoint) -> Vec<u8> {
    let mut bytes = vec![VERSION];
    rmp_serde::encode::write(&mut bytes, checkpoint)
        .expect("a checkpoint holds numbers and lists only, which always encode");
    bytes
}

/// Reads a checkpoint and checks that its parts fit each other.
pub(crate) fn decode_checkpoint(bytes: &[u8]) -> Result<LogCheckpoint, DecodeError> {
    let mut fields = Fields::versioned(WHAT, bytes, VERSION)?;
    let mut body = fields.remaining();
    let garbage = |reason| DecodeError::Garbage { what: WHAT, reason };
    let checkpoint: LogCheckpoint =
        rmp_serde::from_read(&mut body).map_err(|_| garbage("not MessagePack"))?;
    if !body.is_empty() {
        return Err(garbage("too long"));
    }
    check(&checkpoint).map_err(garbage)?;
    Ok(checkpoint)
}

/// Names what is impossible in a checkpoint.
pub(crate) fn check(checkpoint: &LogCheckpoint) -> Result<(), &'static str> {
    if checkpoint.log_start < Offset::ZERO || checkpoint.log_end < checkpoint.log_start {
        return Err("log ends before it starts");
    }
    if checkpoint.high_watermark < Offset::ZERO {
        return Err("negative high watermark");
    }
    if checkpoint
        .producers
        .iter()
        .any(|p| p.batches.len() > limits::PRODUCER_BATCHES)
    {
        return Err("too many batches of one producer");
    }
    if !checkpoint.epochs.is_sorted() {
        return Err("epochs are not ascending");
    }
    if !checkpoint.segments.is_sorted_by_key(|segment| segment.base) {
        return Err("segments are not ascending");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use holdfast_model::{EpochStart, LeaderEpoch, ProducerBatch, ProducerEntry, Segment};
    use proptest::prelude::*;

    use super::*;

    fn sample(producers: usize, segments: i64) -> LogCheckpoint {
        let batch = ProducerBatch {
            base_sequence: 4,
            last_sequence: 8,
            base_offset: Offset(30),
            last_offset: Offset(34),
            timestamp: 1_700_000_000_000,
        };
        LogCheckpoint {
            log_start: Offset(3),
            log_end: Offset(90),
            high_watermark: Offset(91),
            leader_epoch: LeaderEpoch(7),
            epochs: vec![EpochStart {
                epoch: LeaderEpoch(7),
                start: Offset(3),
            }],
            producers: (0..producers)
                .map(|id| ProducerEntry {
                    producer_id: id as i64,
                    epoch: 1,
                    last_timestamp: -1,
                    batches: vec![batch; id % 6],
                })
                .collect(),
            segments: (0..segments)
                .map(|n| Segment {
                    base: Offset(n * 10),
                    end: Offset(n * 10 + 10),
                    bytes: 1 << 30,
                    max_timestamp: -1,
                    first_timestamp: 5,
                })
                .collect(),
        }
    }

    proptest! {
        #[test]
        fn checkpoints_survive_encoding(producers in 0usize..40, segments in 0i64..40) {
            let checkpoint = sample(producers, segments);
            prop_assert_eq!(decode_checkpoint(&encode_checkpoint(&checkpoint)), Ok(checkpoint));
        }

        #[test]
        fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode_checkpoint(&bytes);
            let mut versioned = vec![VERSION];
            versioned.extend_from_slice(&bytes);
            let _ = decode_checkpoint(&versioned);
        }

        #[test]
        fn cut_and_lengthened_bytes_are_refused(cut in any::<prop::sample::Index>()) {
            let mut bytes = encode_checkpoint(&sample(5, 5));
            prop_assert!(decode_checkpoint(&bytes[..cut.index(bytes.len())]).is_err());
            bytes.push(0);
            prop_assert!(decode_checkpoint(&bytes).is_err());
        }
    }

    #[test]
    fn impossible_checkpoints_are_refused() {
        let mut backwards = sample(1, 1);
        backwards.log_end = Offset(1);
        assert!(decode_checkpoint(&encode_checkpoint(&backwards)).is_err());
    }
}
