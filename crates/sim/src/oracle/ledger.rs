//! What is known for ever of one partition.

use std::collections::{BTreeMap, HashMap};

use holdfast_model::{BatchInfo, LeaderEpoch, Offset};

/// A batch below a high watermark, and the epoch in which it first came there.
#[derive(Clone, Copy, Debug)]
struct Committed {
    info: BatchInfo,
    by: LeaderEpoch,
}

/// Names, leaders, commits and acknowledgements of one partition.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    names: HashMap<(LeaderEpoch, Offset), BatchInfo>,
    leaders: BTreeMap<LeaderEpoch, (usize, u64)>,
    committed: Vec<Committed>,
    sequences: BTreeMap<i64, i32>,
    acknowledged: HashMap<u32, Offset>,
}

impl Ledger {
    pub(super) fn len(&self) -> usize {
        self.committed.len()
    }

    /// Notes a batch under its name; the other one, if the name is taken.
    pub(super) fn name(&mut self, info: &BatchInfo) -> Option<BatchInfo> {
        let known = *self
            .names
            .entry((info.leader_epoch, info.base_offset))
            .or_insert(*info);
        (known != *info).then_some(known)
    }

    /// Notes a leader; the other one, if the epoch has one.
    pub(super) fn lead(
        &mut self,
        epoch: LeaderEpoch,
        node: usize,
        process: u64,
    ) -> Option<(usize, u64)> {
        let known = *self.leaders.entry(epoch).or_insert((node, process));
        (known != (node, process)).then_some(known)
    }

    /// A committed batch of earlier epochs that a log lacks.
    pub(super) fn missing_before(
        &self,
        epoch: LeaderEpoch,
        batches: &[BatchInfo],
        log_start: Offset,
    ) -> Option<BatchInfo> {
        let earlier = self
            .committed
            .iter()
            .filter(|committed| committed.by < epoch);
        missing(earlier.map(|committed| &committed.info), batches, log_start)
    }

    /// A committed batch that a log lacks.
    pub(super) fn missing_from(
        &self,
        batches: &[BatchInfo],
        log_start: Offset,
    ) -> Option<BatchInfo> {
        missing(
            self.committed.iter().map(|committed| &committed.info),
            batches,
            log_start,
        )
    }

    /// Whether this very batch is committed.
    pub(super) fn holds(&self, info: &BatchInfo) -> bool {
        self.find(info.base_offset)
            .is_some_and(|known| known.info == *info)
    }

    /// A batch came below a high watermark; true if it is the first time.
    pub(super) fn commit(
        &mut self,
        by: LeaderEpoch,
        info: &BatchInfo,
    ) -> Result<bool, (&'static str, String)> {
        let end = self
            .committed
            .last()
            .map_or(Offset::ZERO, |last| last.info.end_offset());
        if info.base_offset < end {
            return match self.find(info.base_offset) {
                Some(known) if known.info == *info => Ok(false),
                known => Err((
                    "INV-LOGS-AGREE",
                    format!(
                        "shows {info:?}, but committed is {:?}",
                        known.map(|k| k.info)
                    ),
                )),
            };
        }
        if info.base_offset > end {
            return Err((
                "INV-LOGS-AGREE",
                format!("shows {info:?}, but nothing is committed from {end} to it"),
            ));
        }
        self.check_sequence(info)?;
        self.committed.push(Committed { info: *info, by });
        Ok(true)
    }

    fn check_sequence(&mut self, info: &BatchInfo) -> Result<(), (&'static str, String)> {
        if !info.is_idempotent() {
            return Ok(());
        }
        let last = self
            .sequences
            .insert(info.producer_id, info.last_sequence());
        let expected = last.map_or(0, |last| last + 1);
        if info.base_sequence == expected {
            return Ok(());
        }
        Err((
            "INV-PRODUCER-ORDER",
            format!("commits {info:?}, expected sequence {expected}"),
        ))
    }

    /// A batch is acknowledged at an offset; what is wrong with that.
    pub(super) fn acknowledge(&mut self, crc: u32, base: Offset) -> Option<String> {
        let before = *self.acknowledged.entry(crc).or_insert(base);
        if before != base {
            return Some(format!(
                "batch {crc} is acknowledged at {before} and at {base}"
            ));
        }
        match self.find(base) {
            Some(known) if known.info.crc == crc => None,
            known => Some(format!(
                "batch {crc} is acknowledged at {base}, where committed is {:?}",
                known.map(|known| known.info)
            )),
        }
    }

    fn find(&self, base: Offset) -> Option<&Committed> {
        let index = self
            .committed
            .binary_search_by_key(&base, |known| known.info.base_offset);
        index.ok().map(|index| &self.committed[index])
    }
}

fn missing<'a>(
    wanted: impl Iterator<Item = &'a BatchInfo>,
    batches: &[BatchInfo],
    log_start: Offset,
) -> Option<BatchInfo> {
    let mut held = batches.iter().peekable();
    for info in wanted {
        if info.end_offset() <= log_start {
            continue;
        }
        while held
            .peek()
            .is_some_and(|batch| batch.base_offset < info.base_offset)
        {
            held.next();
        }
        if held.next() != Some(info) {
            return Some(*info);
        }
    }
    None
}
