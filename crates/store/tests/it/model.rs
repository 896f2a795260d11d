//! A model of the store: plain vectors, and a generator of operations that fit its state.

use std::collections::BTreeMap;

use bytes::Bytes;
use holdfast_model::{BatchInfo, LogCheckpoint, Offset};
use holdfast_store::{LogStore, Op, RecoveredPartition};
use rand::{Rng as _, rngs::StdRng};

use crate::rig::{batch, create, partition};

pub(crate) const PARTITIONS: i32 = 4;

/// One partition as it should be.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Log {
    /// Every batch since the checkpoint or the first served one, whichever is older.
    batches: Vec<(Bytes, BatchInfo)>,
    start: Offset,
    end: Offset,
    high_watermark: Offset,
    checkpoint: LogCheckpoint,
}

/// What whoever opens a disk finds of one partition.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Found {
    pub(crate) start: Offset,
    pub(crate) end: Offset,
    pub(crate) high_watermark: Offset,
    /// The batches that are served.
    pub(crate) batches: Vec<BatchInfo>,
}

/// The whole store as it should be.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Model {
    pub(crate) logs: BTreeMap<i32, Log>,
}

impl Log {
    /// Ends of batches from `from` on, and `from` itself.
    fn boundaries(&self, from: Offset) -> Vec<Offset> {
        let ends = self.batches.iter().map(|(_, info)| info.end_offset());
        std::iter::once(from)
            .chain(ends.filter(|end| *end > from))
            .collect()
    }

    /// Takes a checkpoint somewhere between the last one and the high watermark.
    fn take_checkpoint(&mut self, random: &mut StdRng) {
        let from = self.checkpoint.log_end;
        let mut ends = self.boundaries(from);
        ends.retain(|end| *end <= self.high_watermark.max(from));
        self.checkpoint = LogCheckpoint {
            log_start: self.start.min(from),
            log_end: pick(random, &ends),
            high_watermark: self.high_watermark,
            ..LogCheckpoint::default()
        };
    }

    fn begin_anew(&mut self, start: Offset) {
        let checkpoint = LogCheckpoint {
            log_start: start,
            log_end: start,
            high_watermark: start,
            ..LogCheckpoint::default()
        };
        let (end, high_watermark) = (start, start);
        *self = Self {
            batches: Vec::new(),
            start,
            end,
            high_watermark,
            checkpoint,
        };
    }

    fn found(&self) -> Found {
        Found {
            start: self.start,
            end: self.end,
            high_watermark: self.high_watermark,
            batches: self.served().iter().map(|(_, info)| *info).collect(),
        }
    }

    fn served(&self) -> Vec<&(Bytes, BatchInfo)> {
        self.batches
            .iter()
            .filter(|(_, info)| info.last_offset >= self.start)
            .collect()
    }
}

fn pick<T: Copy>(random: &mut StdRng, from: &[T]) -> T {
    from[random.random_range(0..from.len())]
}

impl Model {
    /// Draws an operation that fits the state, and applies it to the model.
    pub(crate) fn step(&mut self, random: &mut StdRng) -> Op {
        let number = random.random_range(0..PARTITIONS);
        let at = partition(number);
        let Some(log) = self.logs.get_mut(&number) else {
            self.logs.insert(number, Log::default());
            return create(number);
        };
        match random.random_range(0..100) {
            0..70 => {
                let (records, payload) = (random.random_range(1..20), random.random_range(0..1500));
                let (batch, info) = batch(log.end, records, payload, random.random());
                let known = log.high_watermark;
                log.batches.push((batch.clone(), info));
                log.end = info.end_offset();
                Op::Append {
                    partition: at,
                    batch,
                    info,
                    high_watermark: known,
                }
            }
            70..78 => {
                let lowest = log
                    .high_watermark
                    .max(log.start)
                    .max(log.checkpoint.log_end);
                let offset = pick(random, &log.boundaries(lowest));
                log.batches.retain(|(_, info)| info.base_offset < offset);
                log.end = offset;
                Op::TruncateTo {
                    partition: at,
                    offset,
                }
            }
            78..84 => {
                let offset = Offset(random.random_range(log.start.0..=log.high_watermark.0));
                log.start = offset;
                Op::AdvanceLogStart {
                    partition: at,
                    offset,
                }
            }
            84..88 => {
                log.take_checkpoint(random);
                Op::PutCheckpoint {
                    partition: at,
                    checkpoint: Box::new(log.checkpoint.clone()),
                }
            }
            88..97 => {
                log.high_watermark = pick(random, &log.boundaries(log.high_watermark));
                Op::PutHighWatermark {
                    partition: at,
                    offset: log.high_watermark,
                }
            }
            97..99 => {
                let start = Offset(log.end.0 + random.random_range(0..1000));
                log.begin_anew(start);
                Op::ResetTo {
                    partition: at,
                    checkpoint: Box::new(log.checkpoint.clone()),
                }
            }
            _ => {
                self.logs.remove(&number);
                Op::DeletePartition { partition: at }
            }
        }
    }

    /// What whoever opens the disk has to find. A partition of which nothing was ever written may be missing.
    pub(crate) fn found(&self) -> BTreeMap<i32, Found> {
        let all = self.logs.iter().map(|(number, log)| (*number, log.found()));
        all.filter(|(_, found)| *found != Found::default())
            .collect()
    }

    /// Says how an open store differs from the model.
    pub(crate) fn check(
        &self,
        store: &LogStore,
        recovered: &[RecoveredPartition],
    ) -> Result<(), String> {
        let found: Vec<i32> = recovered
            .iter()
            .map(|one| one.partition.partition)
            .collect();
        let expected: Vec<i32> = self.logs.keys().copied().collect();
        if found != expected {
            return Err(format!("partitions {found:?}, expected {expected:?}"));
        }
        for one in recovered {
            let number = one.partition.partition;
            let log = &self.logs[&number];
            let positions = (one.log_start, one.log_end, one.high_watermark);
            let expected = (log.start, log.end, log.high_watermark);
            if positions != expected {
                return Err(format!(
                    "{number}: positions {positions:?}, expected {expected:?}"
                ));
            }
            if one.checkpoint != log.checkpoint {
                return Err(format!("{number}: checkpoint {:?}", one.checkpoint));
            }
            let behind = log.batches.iter().map(|(_, info)| *info);
            let behind: Vec<_> = behind
                .filter(|info| info.base_offset >= log.checkpoint.log_end)
                .collect();
            if one.entries != behind {
                return Err(format!(
                    "{number}: entries {:?}, expected {behind:?}",
                    one.entries
                ));
            }
            self.check_reads(store, number)?;
        }
        Ok(())
    }

    /// Says how what a store reads differs from the model.
    pub(crate) fn check_reads(&self, store: &LogStore, number: i32) -> Result<(), String> {
        let log = &self.logs[&number];
        let read = store.read(partition(number), log.start, log.end, usize::MAX);
        let read = read.map_err(|error| error.to_string())?;
        let read: Vec<_> = read
            .into_iter()
            .map(|batch| (batch.bytes, batch.info))
            .collect();
        if read.iter().collect::<Vec<_>>() != log.served() {
            let infos: Vec<_> = read.iter().map(|(_, info)| info.base_offset).collect();
            return Err(format!("{number}: batches at {infos:?} from {}", log.start));
        }
        Ok(())
    }
}
