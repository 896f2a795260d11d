//! What every test needs: batches, a store that can be waited for.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use holdfast_model::{BatchInfo, LeaderEpoch, Offset, SystemClock, TopicId, TopicPartition};
use holdfast_store::{
    CommitSink, Completed, Error, LogStore, Op, Options, RecoveredPartition, ReserveOptions,
};
use parking_lot::{Condvar, Mutex};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use uuid::Uuid;

/// Longer than any sync on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

pub(crate) fn partition(number: i32) -> TopicPartition {
    TopicPartition {
        topic: TopicId(Uuid::from_u128(77)),
        partition: number,
    }
}

/// A sound batch whose payload is drawn from `seed`.
pub(crate) fn batch(base: Offset, records: i32, payload: usize, seed: u64) -> (Bytes, BatchInfo) {
    let epoch = LeaderEpoch(3);
    let mut bytes = vec![0u8; 61 + payload];
    StdRng::seed_from_u64(seed).fill(&mut bytes[61..]);
    let length = bytes.len() as i32 - 12;
    bytes[0..8].copy_from_slice(&base.0.to_be_bytes());
    bytes[8..12].copy_from_slice(&length.to_be_bytes());
    bytes[12..16].copy_from_slice(&epoch.0.to_be_bytes());
    bytes[16] = 2;
    bytes[23..27].copy_from_slice(&(records - 1).to_be_bytes());
    let crc = crc32c::crc32c(&bytes[21..]);
    bytes[17..21].copy_from_slice(&crc.to_be_bytes());
    let info = BatchInfo {
        base_offset: base,
        last_offset: Offset(base.0 + i64::from(records) - 1),
        leader_epoch: epoch,
        max_timestamp: seed as i64,
        producer_id: -1,
        producer_epoch: -1,
        base_sequence: -1,
        record_count: records,
        attributes: 0,
        crc,
        size: bytes.len() as u32,
    };
    (Bytes::from(bytes), info)
}

/// Remembers completions, so that a test can wait for them.
#[derive(Default)]
pub(crate) struct Waiter {
    completed: Mutex<HashMap<u64, Completed>>,
    news: Condvar,
}

impl CommitSink for Waiter {
    fn committed(&self, group: &[Completed]) {
        self.completed
            .lock()
            .extend(group.iter().map(|done| (done.token, *done)));
        self.news.notify_all();
    }
}

/// A store whose operations can be waited for.
pub(crate) struct Rig {
    pub(crate) store: LogStore,
    pub(crate) recovered: Vec<RecoveredPartition>,
    waiter: Arc<Waiter>,
    next: u64,
}

/// Test settings: small memory, no reserve worth speaking of, fatal errors come back as results.
pub(crate) fn options(path: &Path, sink: Arc<dyn CommitSink>) -> Options {
    let clock = Arc::new(SystemClock::new());
    let reserve = ReserveOptions {
        reserve_bytes: 1 << 20,
        headroom_bytes: 1 << 16,
        quota_bytes: None,
    };
    Options {
        memory_bytes: 16 << 20,
        reserve,
        fatal: Arc::new(|_| ()),
        ..Options::new(path, clock, sink)
    }
}

impl Rig {
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        Self::open_with(path, |options| options)
    }

    pub(crate) fn open_with(
        path: &Path,
        adjust: impl FnOnce(Options) -> Options,
    ) -> Result<Self, Error> {
        let waiter = Arc::new(Waiter::default());
        let options = adjust(options(path, Arc::clone(&waiter) as _));
        let (store, recovered) = LogStore::open(options)?;
        Ok(Self {
            store,
            recovered,
            waiter,
            next: 1,
        })
    }

    /// Submits without waiting; returns the token.
    pub(crate) fn submit(&mut self, op: Op) -> Result<u64, Error> {
        let permit = self.store.try_reserve(op.room(), op.bytes())?;
        let token = self.next;
        self.next += 1;
        self.store.submit(permit, token, op)?;
        Ok(token)
    }

    pub(crate) fn wait(&self, token: u64) -> Completed {
        let mut completed = self.waiter.completed.lock();
        while !completed.contains_key(&token) {
            let timeout = self.waiter.news.wait_for(&mut completed, PATIENCE);
            assert!(!timeout.timed_out(), "operation {token} never completed");
        }
        completed[&token]
    }

    /// Waits for the operation or for the end of the store; says whether it completed.
    pub(crate) fn try_wait(&self, token: u64) -> bool {
        let mut completed = self.waiter.completed.lock();
        loop {
            if completed.contains_key(&token) {
                return true;
            }
            let probe = self.store.try_reserve(holdfast_store::Room::Control, 0);
            if matches!(probe, Err(Error::Stopped)) {
                return false;
            }
            self.waiter
                .news
                .wait_for(&mut completed, Duration::from_millis(10));
        }
    }

    /// Submits and waits until it is synced.
    pub(crate) fn run(&mut self, op: Op) -> Completed {
        let token = self.submit(op).unwrap();
        self.wait(token)
    }

    pub(crate) fn create(&mut self, number: i32) {
        self.run(create(number));
    }

    /// Appends one batch at an offset, synced.
    pub(crate) fn append(&mut self, number: i32, base: i64, records: i32, payload: usize) -> Bytes {
        let (bytes, op) = append(number, base, records, payload);
        self.run(op);
        bytes
    }
}

pub(crate) fn create(number: i32) -> Op {
    Op::CreatePartition {
        partition: partition(number),
        topic_name: "orders".into(),
        meta: Bytes::from_static(b"owner"),
    }
}

pub(crate) fn append(number: i32, base: i64, records: i32, payload: usize) -> (Bytes, Op) {
    let (bytes, info) = batch(Offset(base), records, payload, base as u64);
    let high_watermark = Offset::ZERO;
    let op = Op::Append {
        partition: partition(number),
        batch: bytes.clone(),
        info,
        high_watermark,
    };
    (bytes, op)
}

/// Files of the database with an extension, by name.
pub(crate) fn files(path: &Path, extension: &str) -> Vec<PathBuf> {
    let mut files: Vec<_> = std::fs::read_dir(path.join("log-0"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .collect();
    files.sort();
    files
}
