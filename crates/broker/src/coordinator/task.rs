//! A coordinator at work.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use holdfast_kernel::group::{Effects, Now, REWRITING_FLOOR, Rewriting, Shard, WriteId};
use holdfast_model::{ErrorCode, LeaderEpoch, Monotonic};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::append::{Packed, pack};
use super::desk::{Act, Turn, Waiting};
use crate::partition::{Offsets, Partition};
use crate::state::BrokerState;

/// Requests that one turn takes at most; what they write shares batches.
const MOST: usize = 512;

/// Writes under way at most; until one is committed no request is taken.
const MOST_WRITES: usize = 10_000;

/// Batches under way at most: each holds a write, and a turn adds few after the last one that had room.
const MOST_BATCHES: usize = 2 * MOST_WRITES;

/// Pause after a coordinator that could not go on, before another one begins.
const PAUSE: Duration = Duration::from_millis(200);

/// Sleeps are cut to this: a clock may jump.
const LONGEST_SLEEP: Duration = Duration::from_secs(5);

/// Offsets that one look removes at most.
const MOST_EXPIRED: usize = 1_000;

/// The coordinator of one partition under one leadership.
pub(super) struct Coordinator {
    pub(super) broker: Arc<BrokerState>,
    pub(super) partition: Arc<Partition>,
    pub(super) epoch: LeaderEpoch,
    /// Set once the log is read.
    pub(super) loaded: Arc<AtomicBool>,
    pub(super) stop: CancellationToken,
}

impl Coordinator {
    /// Serves until somebody else coordinates, or until this one cannot go on.
    pub(super) async fn run(self, requests: mpsc::Receiver<Act>) {
        let code = self.serve(requests).await;
        let at = self.partition.at();
        tracing::info!(
            partition = at.partition, epoch = %self.epoch, %code, "coordinates groups no longer"
        );
        tokio::select! {
            biased;
            () = self.stop.cancelled() => return,
            () = tokio::time::sleep(PAUSE) => {}
        }
        // It may lead yet: then another one begins, with what the log says.
        self.broker.environment().work.roles.add(at);
    }

    async fn serve(&self, mut requests: mpsc::Receiver<Act>) -> ErrorCode {
        let loaded = match self.load().await {
            Ok(loaded) => loaded,
            Err(code) => return code,
        };
        self.loaded.store(true, Ordering::Release);
        let (done, mut batches) = mpsc::channel(MOST_BATCHES);
        let (shard, rewriting) = (
            loaded.shard,
            Rewriting::new(loaded.bytes, loaded.foreign, REWRITING_FLOOR),
        );
        let mut work = Work::new(self, shard, rewriting, done);
        let mut acts = Vec::new();
        let code = loop {
            tokio::select! {
                // Cancel-safe: what was received is handled before anything is received again.
                biased;
                () = self.stop.cancelled() => break ErrorCode::NotCoordinator,
                Some((batch, code)) = batches.recv() => {
                    if let Err(code) = work.settle(batch, code) {
                        break code;
                    }
                }
                taken = requests.recv_many(&mut acts, MOST), if work.has_room() => {
                    if taken == 0 {
                        break ErrorCode::NotCoordinator;
                    }
                }
                () = tokio::time::sleep(work.pause()) => {}
            }
            let mut failed = None;
            while let Ok((batch, code)) = batches.try_recv() {
                failed = failed.or(work.settle(batch, code).err());
            }
            let turn = match failed {
                Some(code) => Err(code),
                None => work.turn(&mut acts).await,
            };
            if let Err(code) = turn {
                break code;
            }
        };
        work.resign();
        code
    }

    /// Where the partition stands, while this broker leads it under this leadership and may.
    pub(super) fn leading(&self) -> Result<Offsets, ErrorCode> {
        let offsets = self.partition.offsets();
        let leads = offsets.leads && !offsets.aside && offsets.leader_epoch == self.epoch;
        if leads && !self.stop.is_cancelled() {
            Ok(offsets)
        } else {
            Err(ErrorCode::NotCoordinator)
        }
    }

    /// A step is done, or about to be: a test may have the process end there.
    async fn step(&self, name: &str) {
        self.broker.environment().test_point.reach(name).await;
    }

    pub(super) fn now(&self) -> Now {
        Now {
            monotonic: self.broker.clock.monotonic(),
            wall_ms: self.broker.clock.wall_ms(),
        }
    }
}

/// What a batch under way holds.
enum Batch {
    /// Writes up to this one.
    Writes(WriteId),
    /// A page of a rewriting.
    Page,
}

struct Work<'a> {
    coordinator: &'a Coordinator,
    shard: Shard,
    waiting: Waiting,
    rewriting: Rewriting,
    next_expiry: Monotonic,
    done: mpsc::Sender<(u64, ErrorCode)>,
    newest_batch: u64,
    under_way: BTreeMap<u64, Batch>,
    /// What came of batches since the last turn.
    effects: Effects,
}

impl<'a> Work<'a> {
    fn new(
        coordinator: &'a Coordinator,
        shard: Shard,
        rewriting: Rewriting,
        done: mpsc::Sender<(u64, ErrorCode)>,
    ) -> Self {
        let now = coordinator.now();
        Self {
            coordinator,
            shard,
            waiting: Waiting::default(),
            rewriting,
            next_expiry: now.monotonic.plus(coordinator.expiry_interval()),
            done,
            newest_batch: 0,
            under_way: BTreeMap::new(),
            effects: Effects::default(),
        }
    }

    fn has_room(&self) -> bool {
        self.shard.writes_under_way() < MOST_WRITES
    }

    /// How long nothing happens by itself.
    fn pause(&self) -> Duration {
        if self.rewriting.goes_on(&self.shard) {
            return Duration::ZERO;
        }
        let next = self.shard.next_deadline().into_iter();
        let next = next.chain([self.next_expiry]).min();
        let now = self.coordinator.broker.clock.monotonic();
        // A millisecond more than needed, rather than many turns at the end of one.
        let left = next.map_or(LONGEST_SLEEP, |next| next.since(now));
        left.min(LONGEST_SLEEP) + Duration::from_millis(1)
    }

    /// A batch is committed, and all before it; or its fate is unknown, and with it the log's.
    fn settle(&mut self, number: u64, code: ErrorCode) -> Result<(), ErrorCode> {
        if code != ErrorCode::None {
            return Err(code);
        }
        let now = self.coordinator.now();
        while let Some(first) = self.under_way.first_entry() {
            if *first.key() > number {
                break;
            }
            match first.remove() {
                Batch::Writes(last) => self.shard.committed(now, last, &mut self.effects),
                Batch::Page => self.rewriting.page_committed(),
            }
        }
        Ok(())
    }

    /// Does what is asked, what time demands, and what follows from it.
    async fn turn(&mut self, acts: &mut Vec<Act>) -> Result<(), ErrorCode> {
        self.coordinator.leading()?;
        let now = self.coordinator.now();
        let mut effects = std::mem::take(&mut self.effects);
        for act in acts.drain(..) {
            act(&mut Turn {
                shard: &mut self.shard,
                now,
                effects: &mut effects,
                waiting: &mut self.waiting,
            });
        }
        if self
            .shard
            .next_deadline()
            .is_some_and(|next| next <= now.monotonic)
        {
            self.shard.tick(now, &mut effects);
        }
        self.expire(now, &mut effects);
        self.carry_out(now, effects).await?;
        self.rewrite().await
    }

    fn expire(&mut self, now: Now, effects: &mut Effects) {
        if now.monotonic < self.next_expiry {
            return;
        }
        let before = effects.writes.len();
        // By the clock at the start of the process: it may have jumped before this leadership began.
        let wall = &self.coordinator.broker.wall;
        if let Some(wall_ms) = wall.now(now.wall_ms, now.monotonic) {
            let image = self.coordinator.broker.image();
            let trusted = Now { wall_ms, ..now };
            let is_deleted = |_: &str, id| image.deleted.contains_key(&id);
            self.shard
                .expire(trusted, is_deleted, MOST_EXPIRED, effects);
        }
        let again = if effects.writes.len() > before {
            Duration::from_secs(1)
        } else {
            self.coordinator.expiry_interval()
        };
        self.next_expiry = now.monotonic.plus(again);
    }

    async fn carry_out(&mut self, now: Now, mut effects: Effects) -> Result<(), ErrorCode> {
        loop {
            if !effects.answers.is_empty() {
                self.coordinator.step("offsets-committed").await;
                self.waiting.answer(effects.answers.drain(..));
                self.coordinator.step("offsets-answered").await;
            }
            if effects.writes.is_empty() {
                return Ok(());
            }
            let writes = std::mem::take(&mut effects.writes);
            let (packed, too_long) = pack(writes, now.wall_ms);
            let mut refused = Vec::new();
            for batch in packed {
                let code = match self.append_writes(&batch, &refused).await? {
                    ErrorCode::None => continue,
                    code => code,
                };
                refused.extend(batch.writes.into_iter().map(|write| (write, code)));
            }
            refused.extend(too_long);
            for (write, code) in refused {
                self.shard.refused(now, write, code, &mut effects);
            }
        }
    }

    /// Appends writes, unless others were refused before them: they may say what follows from those.
    async fn append_writes(
        &mut self,
        batch: &Packed,
        refused: &[(WriteId, ErrorCode)],
    ) -> Result<ErrorCode, ErrorCode> {
        if !refused.is_empty() {
            return Ok(ErrorCode::CoordinatorNotAvailable);
        }
        self.coordinator.step("offsets-packed").await;
        let appended = self.append(&batch.batch).await;
        self.coordinator.step("offsets-appended").await;
        match appended {
            Ok(number) => {
                let last = batch.writes.last().copied().unwrap_or_default();
                self.under_way.insert(number, Batch::Writes(last));
                Ok(ErrorCode::None)
            }
            Err(ErrorCode::NotLeaderOrFollower) => Err(ErrorCode::NotCoordinator),
            Err(code) => {
                tracing::debug!(%code, "a coordinator's batch is refused");
                Ok(ErrorCode::CoordinatorNotAvailable)
            }
        }
    }

    async fn append(&mut self, batch: &bytes::Bytes) -> Result<u64, ErrorCode> {
        self.newest_batch += 1;
        let number = self.newest_batch;
        self.coordinator.append(batch, number, &self.done).await?;
        self.rewriting.appended(batch.len() as u64);
        Ok(number)
    }

    /// A step of the rewriting that keeps the log small, if one is due.
    async fn rewrite(&mut self) -> Result<(), ErrorCode> {
        let offsets = self.coordinator.leading()?;
        self.rewriting.begin_if_due(&self.shard, offsets.log_end);
        if let Some(page) = self.rewriting.page(&self.shard) {
            let wall_ms = self.coordinator.broker.clock.wall_ms();
            let (packed, refused) = pack(vec![page], wall_ms);
            if !refused.is_empty() {
                self.rewriting.give_up();
            }
            for batch in packed {
                match self.append(&batch.batch).await {
                    Ok(number) => {
                        self.under_way.insert(number, Batch::Page);
                        self.rewriting.page_appended(batch.batch.len() as u64);
                        self.coordinator.step("offsets-page-appended").await;
                    }
                    Err(ErrorCode::NotLeaderOrFollower) => {
                        return Err(ErrorCode::NotCoordinator);
                    }
                    // The log stays as it is, and another one begins later.
                    Err(_code) => self.rewriting.give_up(),
                }
            }
        }
        if let Some(start) = self.rewriting.finished() {
            self.coordinator.step("offsets-rewritten").await;
            let partition = &self.coordinator.partition;
            match partition.delete_records(start) {
                Ok(start) => tracing::debug!(partition = %partition.at(), %start, "log rewritten"),
                Err(code) => tracing::debug!(%code, "the start of a rewritten log stays"),
            }
            self.coordinator.step("offsets-start-moved").await;
        }
        Ok(())
    }

    fn resign(self) {
        let mut waiting = self.waiting;
        waiting.answer(self.effects.answers);
        waiting.answer(self.shard.resign());
    }
}

impl Coordinator {
    fn expiry_interval(&self) -> Duration {
        let groups = &self.broker.config.groups;
        Duration::from_millis(groups.offsets_retention_check_interval_ms)
    }
}
