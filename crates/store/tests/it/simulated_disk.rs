//! The disk of the simulator, as a subject of the histories.

use std::collections::BTreeMap;

use holdfast_kernel::log::SegmentLimits;
use holdfast_model::Incarnation;
use holdfast_sim::disk::{Disk, Op as Simulated};
use holdfast_sim::rng::Rng;
use holdfast_store::Op;
use rand::{Rng as _, rngs::StdRng};

use crate::histories::Subject;
use crate::model::Found;

#[derive(Debug)]
pub(crate) struct SimulatedDisk(Disk);

impl SimulatedDisk {
    pub(crate) fn new() -> Self {
        Self(Disk::new(Incarnation(1)))
    }

    fn submit(&mut self, ops: &[Op]) {
        for op in ops {
            if let Some(op) = simulated(op) {
                self.0.submit(op);
            }
        }
    }
}

/// An operation as the simulator has it. It knows a partition from its first record on.
fn simulated(op: &Op) -> Option<Simulated> {
    Some(match op.clone() {
        Op::Append {
            partition,
            info,
            high_watermark,
            ..
        } => Simulated::Append(partition, info, high_watermark),
        Op::TruncateTo { partition, offset } => Simulated::Truncate(partition, offset),
        Op::AdvanceLogStart { partition, offset } => Simulated::LogStart(partition, offset),
        Op::PutHighWatermark { partition, offset } => Simulated::HighWatermark(partition, offset),
        Op::PutCheckpoint {
            partition,
            checkpoint,
        } => Simulated::Checkpoint(partition, checkpoint),
        Op::ResetTo {
            partition,
            checkpoint,
        } => Simulated::Reset(partition, checkpoint),
        Op::DeletePartition { partition } => Simulated::Drop(partition),
        _ => return None,
    })
}

impl Subject for SimulatedDisk {
    fn sync(&mut self, ops: &[Op]) {
        self.submit(ops);
        while self.0.begin_group() {
            self.0.end_group();
        }
    }

    fn cut_power_during(&mut self, ops: &[Op], random: &mut StdRng) {
        self.submit(ops);
        // The groups before the last one that is under way are synced.
        for _ in 0..random.random_range(0..=1) {
            self.0.begin_group();
            self.0.end_group();
        }
        self.0.begin_group();
        self.0.crash(true, &mut Rng::new(random.random()));
    }

    fn open(&mut self) -> BTreeMap<i32, Found> {
        let found = self.0.logs().map(|(at, log)| {
            let read = log.restore(SegmentLimits::default());
            let found = Found {
                start: read.log_start(),
                end: read.log_end(),
                high_watermark: read.known_high_watermark(),
                batches: log.entries().to_vec(),
            };
            (at.partition, found)
        });
        found.collect()
    }

    fn read(&mut self, number: i32, from: i64, to: i64) -> Option<Vec<holdfast_model::BatchInfo>> {
        let log = self.0.log(crate::rig::partition(number))?;
        let held = log.entries().iter();
        let inside = held.filter(|one| one.last_offset.0 >= from && one.base_offset.0 < to);
        Some(inside.copied().collect())
    }
}
