//! What must hold of the cluster as a whole. It sees everything; the brokers see nothing of it.

mod ledger;
mod permits;

use std::any::Any;
use std::collections::BTreeMap;

use holdfast_kernel::controller::QuorumView;
use holdfast_kernel::image::{ChangeBatch, ClusterImage, PartitionRecord};
use holdfast_model::{BatchInfo, LeaderEpoch, Offset, TopicPartition};

use crate::disk::StoredLog;
use crate::node::Node;
use crate::profile::Rolls;
use crate::situation::{Coverage, Situation};
use ledger::Ledger;
use permits::Permits;

/// A broken promise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The invariant's name, as in `docs/replication.md` or `docs/simulation.md`.
    pub invariant: String,
    /// What was seen.
    pub detail: String,
}

impl Violation {
    /// A panic: of an invariant of the kernel, which names itself, or any other.
    pub(crate) fn of_panic(payload: &(dyn Any + Send)) -> Self {
        let text = payload
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| {
                payload
                    .downcast_ref::<&str>()
                    .map(|text| (*text).to_owned())
            })
            .unwrap_or_else(|| "a panic without a text".to_owned());
        let invariant = text
            .strip_prefix("invariant broken: ")
            .map_or("PANIC", |rest| rest.split(':').next().unwrap_or(rest))
            .to_owned();
        Self {
            invariant,
            detail: text,
        }
    }
}

/// What was promised so far, and the first promise that was broken.
#[derive(Debug, Default)]
pub struct Oracle {
    ledgers: BTreeMap<TopicPartition, Ledger>,
    /// Batches that came below a high watermark and were not yet looked for on the disks.
    fresh: Vec<(TopicPartition, BatchInfo)>,
    violation: Option<Violation>,
    /// The records of partitions as they were agreed on last.
    records: BTreeMap<TopicPartition, PartitionRecord>,
    coverage: Coverage,
    acknowledged: u64,
    expired: u64,
    permits: Permits,
}

impl Oracle {
    /// The first broken promise.
    pub fn violation(&self) -> Option<&Violation> {
        self.violation.as_ref()
    }

    /// Something is seen that a run may come to.
    pub fn saw(&mut self, situation: Situation) {
        self.coverage.saw(situation);
    }

    /// What was seen.
    pub fn coverage(&self) -> &Coverage {
        &self.coverage
    }

    /// How many batches were acknowledged to producers that asked for it.
    pub fn acknowledged(&self) -> u64 {
        self.acknowledged
    }

    /// How many batches came below a high watermark.
    pub fn committed(&self) -> usize {
        self.ledgers.values().map(Ledger::len).sum()
    }

    /// How many batches leaders let expire.
    pub fn expired(&self) -> u64 {
        self.expired
    }

    /// How many restart permits were granted.
    pub fn granted(&self) -> u64 {
        self.permits.granted
    }

    /// How many restart permits ended with their brokers back, or parked.
    pub fn rolled(&self) -> u64 {
        self.permits.completed
    }

    /// The image on which everything begins.
    pub fn begin(&mut self, image: &ClusterImage) {
        self.permits.begin(image);
    }

    /// The quorum has agreed on changes, decided while these voters answered.
    pub fn agreed(&mut self, batch: &ChangeBatch, voters: &QuorumView, rolls: Rolls) {
        let mut breach = self.permits.agreed(batch, voters);
        if rolls == Rolls::Alone {
            breach = breach.or_else(|| self.permits.unavailable());
        }
        if let Some((invariant, detail)) = breach {
            self.broken(invariant, || detail);
        }
    }

    /// Notes a broken promise; the first one counts.
    pub fn broken(&mut self, invariant: &str, detail: impl FnOnce() -> String) {
        if self.violation.is_none() {
            self.violation = Some(Violation {
                invariant: invariant.to_owned(),
                detail: detail(),
            });
        }
    }

    /// A replica takes a batch into its log.
    pub fn appended(&mut self, at: TopicPartition, info: &BatchInfo) {
        let ledger = self.ledgers.entry(at).or_default();
        if let Some(other) = ledger.name(info) {
            self.broken("INV-ONE-BATCH-PER-NAME", || {
                format!("{at}: {info:?} and {other:?}")
            });
        }
    }

    /// A process takes over an epoch, with these batches in its log.
    pub fn leads(
        &mut self,
        at: TopicPartition,
        (node, process): (usize, u64),
        epoch: LeaderEpoch,
        batches: &[BatchInfo],
        log_start: Offset,
    ) {
        let ledger = self.ledgers.entry(at).or_default();
        if let Some((other, _)) = ledger.lead(epoch, node, process) {
            self.broken("INV-ONE-LEADER-PER-EPOCH", || {
                format!("{at}: epoch {epoch} is led by {node} and was by {other}")
            });
            return;
        }
        if let Some(lost) = ledger.missing_before(epoch, batches, log_start) {
            self.broken("INV-ACKED-DURABLE", || {
                format!("{at}: {node} leads epoch {epoch} without committed {lost:?}")
            });
        }
    }

    /// A replica may show the batches of its log between two offsets: they are below a high
    /// watermark, as far as it knows.
    pub fn shows(
        &mut self,
        at: TopicPartition,
        node: usize,
        epoch: LeaderEpoch,
        batches: &[BatchInfo],
    ) {
        let ledger = self.ledgers.entry(at).or_default();
        for info in batches {
            match ledger.commit(epoch, info) {
                Ok(true) => self.fresh.push((at, *info)),
                Ok(false) => {}
                Err((invariant, detail)) => {
                    self.broken(invariant, || format!("{at} on {node}: {detail}"));
                    return;
                }
            }
        }
    }

    /// A reader sees these batches.
    pub fn reads(&mut self, at: TopicPartition, node: usize, batches: &[BatchInfo]) {
        let ledger = self.ledgers.entry(at).or_default();
        if let Some(other) = batches.iter().find(|info| !ledger.holds(info)).copied() {
            self.broken("INV-LOGS-AGREE", || {
                format!("{at}: a reader at {node} sees {other:?}, which is not what is committed")
            });
        }
    }

    /// A producer is told that its batch is safe.
    pub fn acknowledges(&mut self, at: TopicPartition, node: usize, crc: u32, base: Offset) {
        self.acknowledged += 1;
        let ledger = self.ledgers.entry(at).or_default();
        if let Some(fault) = ledger.acknowledge(crc, base) {
            self.broken("INV-ACK-BELOW-HW", || format!("{at} on {node}: {fault}"));
        }
    }

    /// A replica gives batches up.
    pub fn gives_up(&mut self, at: TopicPartition, node: usize, batches: &[BatchInfo]) {
        let ledger = self.ledgers.entry(at).or_default();
        if let Some(lost) = batches.iter().find(|info| ledger.holds(info)).copied() {
            self.broken("INV-KNOWN-HW-KEPT", || {
                format!("{at}: {node} gives up committed {lost:?}")
            });
        }
    }

    /// A leader lets batches expire by time, of which none may be newer than a moment of true time.
    pub fn expires(
        &mut self,
        at: TopicPartition,
        node: usize,
        batches: &[BatchInfo],
        newest_ms: i64,
    ) {
        self.expired += batches.len() as u64;
        let young = batches.iter().find(|info| info.max_timestamp > newest_ms);
        if let Some(young) = young.copied() {
            self.broken("INV-NOT-EXPIRED-EARLY", || {
                format!("{at}: {node} lets {young:?} expire, where {newest_ms} is the newest due")
            });
        }
    }

    /// Looks for fresh commits on the synced disks of all members of the ISR and of the eligible
    /// list, as the quorum knows them.
    pub fn check_disks(&mut self, image: &ClusterImage, nodes: &[Node]) {
        for (at, info) in std::mem::take(&mut self.fresh) {
            for node in holders(image, at, nodes) {
                let held = nodes[node].disk.log(at).is_some_and(|log| log.holds(&info));
                if !held {
                    self.broken("INV-ACKED-DURABLE", || {
                        format!("{at}: {info:?} is committed and not on the synced disk of {node}")
                    });
                }
            }
        }
    }

    /// The quorum has changed the record of a partition: its members hold everything committed.
    pub fn check_members(&mut self, image: &ClusterImage, at: TopicPartition, nodes: &[Node]) {
        if let Some(record) = image.partition(at)
            && let Some(before) = self.records.insert(at, record.clone())
        {
            self.coverage.changed(image, &before, record);
        }
        let Some(ledger) = self.ledgers.get(&at) else {
            return;
        };
        let empty = StoredLog::default();
        for node in holders(image, at, nodes) {
            let log = nodes[node].disk.log(at).unwrap_or(&empty);
            if let Some(lost) = ledger.missing_from(log.entries(), log.log_start()) {
                let record = image.partition(at).cloned();
                self.broken("INV-JOIN-CAUGHT-UP", || {
                    format!("{at}: {node} lacks committed {lost:?} in {record:?}")
                });
                return;
            }
        }
    }
}

/// The brokers whose present disks are named by the ISR or the eligible list of a partition.
fn holders(image: &ClusterImage, at: TopicPartition, nodes: &[Node]) -> Vec<usize> {
    let Some(record) = image.partition(at) else {
        return Vec::new();
    };
    let members = record.isr.iter().chain(&record.elr);
    members
        .filter_map(|member| {
            let node = usize::try_from(member.replica.broker.0).ok()?;
            let disk = &nodes.get(node)?.disk;
            let same = disk.incarnation == member.replica.incarnation
                && !disk.rolled_back
                && !disk.lost_tail;
            same.then_some(node)
        })
        .collect()
}
