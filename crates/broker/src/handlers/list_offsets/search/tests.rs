//! Searches over a real store: batches are appended, synced and read back.

use std::sync::Arc;

use bytes::Bytes;
use holdfast_kernel::log::{SegmentLimits, Segments};
use holdfast_model::{LeaderEpoch, SystemClock};
use holdfast_store::{CommitSink, Completed, Op, OpKind, Options, ReserveOptions, Room};
use holdfast_wire::build::{BatchBuilder, Record};
use holdfast_wire::{Codec, batch};
use parking_lot::{Condvar, Mutex};

use super::*;

/// Tells when the last step of a test's log is synced.
#[derive(Default)]
struct Synced {
    done: Mutex<bool>,
    told: Condvar,
}

impl CommitSink for Synced {
    fn committed(&self, group: &[Completed]) {
        if group.iter().any(|step| step.kind == OpKind::Barrier) {
            *self.done.lock() = true;
            self.told.notify_all();
        }
    }
}

/// A log on disk with the segments that the kernel would make of it.
struct Log {
    store: LogStore,
    segments: Segments,
    end: Offset,
    _dir: tempfile::TempDir,
}

const AT: TopicPartition = TopicPartition {
    topic: holdfast_model::TopicId(uuid::Uuid::from_u128(1)),
    partition: 0,
};

/// Bytes of two small batches, so that segments hold one or two.
const SEGMENT_BYTES: u64 = 200;

fn log(batches: &[(&[i64], Codec)]) -> Log {
    let dir = tempfile::tempdir().unwrap();
    let sink = Arc::new(Synced::default());
    let mut options = Options::new(
        dir.path(),
        Arc::new(SystemClock::new()),
        Arc::clone(&sink) as Arc<dyn CommitSink>,
    );
    options.memory_bytes = 32 << 20;
    options.reserve = ReserveOptions {
        reserve_bytes: 1 << 16,
        headroom_bytes: 1 << 12,
        quota_bytes: None,
    };
    let (store, _) = LogStore::open(options).unwrap();
    let submit = |op: Op, room| {
        let permit = store.try_reserve(room, op.bytes()).unwrap();
        store.submit(permit, 0, op).unwrap();
    };
    let create = Op::CreatePartition {
        partition: AT,
        topic_name: "t".to_owned(),
        meta: Bytes::new(),
    };
    submit(create, Room::Control);
    let mut segments = Segments::default();
    let mut end = Offset::ZERO;
    for (timestamps, codec) in batches {
        let bytes = batch_of(timestamps, *codec, end);
        let info = batch::to_info(&bytes).unwrap();
        segments.note(
            &info,
            SegmentLimits {
                bytes: SEGMENT_BYTES,
                age_ms: i64::MAX,
            },
        );
        end = info.end_offset();
        let append = Op::Append {
            partition: AT,
            batch: bytes,
            info,
            high_watermark: Offset::ZERO,
        };
        submit(append, Room::Append);
    }
    submit(Op::Barrier { partition: AT }, Room::Control);
    let mut done = sink.done.lock();
    while !*done {
        sink.told.wait(&mut done);
    }
    drop(done);
    Log {
        store,
        segments,
        end,
        _dir: dir,
    }
}

fn batch_of(timestamps: &[i64], codec: Codec, base: Offset) -> Bytes {
    let mut builder = BatchBuilder::new(codec);
    for timestamp in timestamps {
        let record = Record {
            timestamp: *timestamp,
            ..Record::value(b"value")
        };
        builder.push(&record).unwrap();
    }
    let mut bytes = builder.finish().unwrap().to_vec();
    batch::patch_base_offset(&mut bytes, base).unwrap();
    batch::patch_leader_epoch(&mut bytes, LeaderEpoch(0)).unwrap();
    bytes.into()
}

impl Log {
    fn first(&self, timestamp: i64, start: i64, end: i64) -> Option<(i64, i64)> {
        let range = Range {
            start: Offset(start),
            end: Offset(end),
        };
        let found = first_at_or_after(&self.store, AT, self.segments.list(), range, timestamp);
        found
            .unwrap()
            .map(|record| (record.offset.0, record.timestamp))
    }

    fn newest(&self, start: i64, end: i64) -> Option<(i64, i64)> {
        let range = Range {
            start: Offset(start),
            end: Offset(end),
        };
        let found = newest(&self.store, AT, self.segments.list(), range);
        found
            .unwrap()
            .map(|record| (record.offset.0, record.timestamp))
    }
}

/// What a search must find, from the definition: the records one by one.
fn expected_first(all: &[i64], timestamp: i64, start: i64, end: i64) -> Option<(i64, i64)> {
    let inside = (start..end).map(|offset| (offset, all[offset as usize]));
    inside.into_iter().find(|(_, time)| *time >= timestamp)
}

fn expected_newest(all: &[i64], start: i64, end: i64) -> Option<(i64, i64)> {
    let inside = (start..end).map(|offset| (offset, all[offset as usize]));
    inside
        .into_iter()
        .reduce(|best, next| if next.1 > best.1 { next } else { best })
}

#[test]
fn searches_find_what_a_walk_over_all_records_finds() {
    // Out of order within batches, between batches and between segments; compressed ones too.
    let batches: &[(&[i64], Codec)] = &[
        (&[100, 90, 110], Codec::None),
        (&[105], Codec::Lz4),
        (&[300, 120, 130, 125], Codec::Zstd),
        (&[140, 140], Codec::Gzip),
        (&[300, 310], Codec::Snappy),
        (&[310, 200], Codec::None),
        (&[50, 60], Codec::None),
    ];
    let log = log(batches);
    assert!(log.segments.list().len() > 2, "{:?}", log.segments);
    let all: Vec<i64> = batches
        .iter()
        .flat_map(|(times, _)| times.iter().copied())
        .collect();
    let mut ends: Vec<i64> = Vec::new();
    for (times, _) in batches {
        ends.push(ends.last().copied().unwrap_or(0) + times.len() as i64);
    }
    assert_eq!(ends.last().copied(), Some(log.end.0));
    // A high watermark is always the end of a batch; a log start may be anywhere.
    for end in ends {
        for start in 0..=end {
            for timestamp in [0, 90, 91, 105, 111, 130, 140, 299, 300, 301, 310, 311] {
                assert_eq!(
                    log.first(timestamp, start, end),
                    expected_first(&all, timestamp, start, end),
                    "time {timestamp} in {start}..{end}"
                );
            }
            assert_eq!(
                log.newest(start, end),
                expected_newest(&all, start, end),
                "{start}..{end}"
            );
        }
    }
    log.store.close();
}

#[test]
fn an_empty_log_has_no_record_at_any_time() {
    let log = log(&[]);
    assert_eq!(log.first(0, 0, 0), None);
    assert_eq!(log.newest(0, 0), None);
    log.store.close();
}
