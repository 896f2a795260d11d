//! One coordinator after another, and the log that outlives them.

use std::sync::Arc;

use holdfast_kernel::group::{
    Effects, GroupOptions, Loader, Now, Planted, Record, Rewriting, Shard, Write, WriteId,
};
use holdfast_model::{ErrorCode, Monotonic, Offset};

use super::oracle::Oracle;
use crate::Time;
use crate::rng::Rng;

/// About how many bytes a record takes.
const RECORD: u64 = 100;

/// A batch in the log that is not committed yet.
#[derive(Debug)]
enum Batch {
    Writes(WriteId),
    Page,
}

/// A record in the log, and whether it only says again what was said before.
#[derive(Debug)]
pub(super) struct Logged {
    pub(super) record: Record,
    rewritten: bool,
}

/// The log of the partition, and who coordinates it.
#[derive(Debug)]
pub(super) struct Coordinator {
    /// Every record that ever came to stay or may yet.
    log: Vec<Logged>,
    /// Those before it are committed.
    committed: usize,
    /// The log begins here.
    start: usize,
    /// Where batches under way end.
    under_way: Vec<(usize, Batch)>,
    pub(super) shard: Option<Shard>,
    rewriting: Rewriting,
    floor: u64,
    planted: Planted,
    /// Loading ends once everything before it is committed.
    loads_to: usize,
    pub(super) failovers: u64,
    pub(super) rewritten: u64,
}

pub(super) fn now(time: Time) -> Now {
    Now {
        monotonic: Monotonic(time * 1_000),
        wall_ms: 1_700_000_000_000 + (time / 1_000) as i64,
    }
}

impl Coordinator {
    pub(super) fn new(planted: Planted, floor: u64) -> Self {
        Self {
            log: Vec::new(),
            committed: 0,
            start: 0,
            under_way: Vec::new(),
            shard: Some(Shard::new(GroupOptions::default(), planted)),
            rewriting: Rewriting::new(0, false, floor),
            floor,
            planted,
            loads_to: 0,
            failovers: 0,
            rewritten: 0,
        }
    }

    /// The committed records, those before the log's start included.
    pub(super) fn committed_log(&self) -> &[Logged] {
        &self.log[..self.committed]
    }

    pub(super) fn append(&mut self, writes: Vec<Write>) {
        for write in writes {
            self.rewriting.appended(RECORD * write.records.len() as u64);
            self.extend(write.records, false);
            self.under_way
                .push((self.log.len(), Batch::Writes(write.id)));
        }
    }

    fn extend(&mut self, records: Vec<Record>, rewritten: bool) {
        let records = records.into_iter();
        self.log
            .extend(records.map(|record| Logged { record, rewritten }));
    }

    /// Writes are refused: too few replicas are in sync for a moment.
    pub(super) fn refuse(&mut self, time: Time, writes: Vec<Write>, effects: &mut Effects) {
        if let Some(shard) = &mut self.shard {
            for write in writes {
                let code = ErrorCode::CoordinatorNotAvailable;
                shard.refused(now(time), write.id, code, effects);
            }
        }
    }

    /// What is in the log by now is committed, as far as chance wants.
    pub(super) fn commit(
        &mut self,
        time: Time,
        rng: &mut Rng,
        oracle: &mut Oracle,
        effects: &mut Effects,
    ) {
        let end = if rng.chance(500) {
            self.log.len()
        } else {
            let ends = self.under_way.len();
            let chosen = self.under_way.get(rng.index(ends));
            chosen.map_or(self.log.len(), |(end, _)| *end)
        };
        for logged in &self.log[self.committed..end.max(self.committed)] {
            if !logged.rewritten {
                oracle.committed(&logged.record);
            }
        }
        self.committed = self.committed.max(end);
        let mut done = Vec::new();
        self.under_way.retain(|(end, batch)| {
            let is_done = *end <= self.committed;
            if is_done {
                done.push(match batch {
                    Batch::Writes(id) => Some(*id),
                    Batch::Page => None,
                });
            }
            !is_done
        });
        for batch in done {
            match batch {
                Some(id) => {
                    if let Some(shard) = &mut self.shard {
                        shard.committed(now(time), id, effects);
                    }
                }
                None => self.rewriting.page_committed(),
            }
        }
        self.load_if_whole(time);
    }

    /// A step of the rewriting, as the broker takes it.
    pub(super) fn rewrite(&mut self) {
        let Some(shard) = &self.shard else {
            return;
        };
        let end = Offset(self.log.len() as i64);
        self.rewriting.begin_if_due(shard, end);
        if let Some(page) = self.rewriting.page(shard) {
            let bytes = RECORD * page.records.len() as u64;
            self.extend(page.records, true);
            self.under_way.push((self.log.len(), Batch::Page));
            self.rewriting.appended(bytes);
            self.rewriting.page_appended(bytes);
        }
        if let Some(start) = self.rewriting.finished() {
            assert!(
                start.0 as usize <= self.committed,
                "beyond what is committed"
            );
            self.start = start.0 as usize;
            self.rewritten += 1;
        }
    }

    /// The coordinator dies: what is committed stays, of the rest a part.
    pub(super) fn fail_over(
        &mut self,
        rng: &mut Rng,
    ) -> Vec<(
        holdfast_kernel::group::Ticket,
        holdfast_kernel::group::Answer,
    )> {
        let before = self.shard.take();
        let kept = rng.within((self.committed as u64, self.log.len() as u64)) as usize;
        // Batches are whole or not there.
        let kept = self
            .under_way
            .iter()
            .map(|(end, _)| *end)
            .filter(|end| *end <= kept)
            .max()
            .unwrap_or(self.committed)
            .max(self.committed);
        self.log.truncate(kept);
        self.under_way.clear();
        self.loads_to = kept;
        self.failovers += 1;
        before.map(Shard::resign).unwrap_or_default()
    }

    /// The next coordinator serves once everything that it found is committed.
    pub(super) fn load_if_whole(&mut self, time: Time) {
        if self.shard.is_some() || self.committed < self.loads_to {
            return;
        }
        let mut loader = Loader::default();
        for logged in &self.log[self.start..self.committed] {
            loader.apply(logged.record.clone());
        }
        self.shard = Some(loader.finish(GroupOptions::default(), now(time), self.planted));
        let bytes = RECORD * (self.committed - self.start) as u64;
        self.rewriting = Rewriting::new(bytes, false, self.floor);
    }
}

pub(super) fn text(text: &str) -> Arc<str> {
    Arc::from(text)
}
