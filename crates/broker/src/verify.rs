//! Compares the replicas on disks whose brokers do not run, byte for byte.
//!
//! Two replicas must agree on every batch below a high watermark that both know; above it they may differ
//! until the next leader has cut one. Each is compared with the one that knows the highest. What only one disk
//! holds is read and verified all the same.

use std::collections::BTreeMap;
use std::path::PathBuf;

use holdfast_kernel::log::ReplicaLog;
use holdfast_model::{BatchInfo, BrokerId, Offset, ProducerEntry, TopicPartition};
use holdfast_store::{DataDir, Error as StoreError, LogStore, StoredBatch};
use serde::Serialize;

use crate::disk_log;

/// Bytes read of one replica at once.
const STEP_BYTES: usize = 4 * 1024 * 1024;

/// Most findings that are kept; that there are more is said.
pub const MOST_FINDINGS: usize = 1_000;

/// A leader forgets a producer that was silent for a day, a follower later.
const SILENT_MS: i64 = 23 * 60 * 60 * 1000;

/// Why nothing can be compared.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A disk cannot be read.
    #[error("{}: {source}", path.display())]
    Disk {
        /// The folder.
        path: PathBuf,
        /// The reason.
        source: StoreError,
    },
    /// Disks of two clusters, or one broker twice.
    #[error("{0}")]
    Unlike(String),
}

/// What is wrong with a replica.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// As topic/3.
    pub partition: String,
    /// Whose replica.
    pub broker: BrokerId,
    /// From where on.
    pub offset: Offset,
    /// What is wrong, in words.
    pub what: String,
}

/// What was compared, and what is wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Partitions with a replica on any of the disks.
    pub partitions: u64,
    /// Replicas.
    pub replicas: u64,
    /// Batches that were read, of all replicas.
    pub batches: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Batches that were compared with those of another replica.
    pub compared: u64,
    /// The first findings.
    pub findings: Vec<Finding>,
    /// How many there are.
    pub found: u64,
}

impl Report {
    fn add(&mut self, finding: Finding) {
        self.found += 1;
        if self.findings.len() < MOST_FINDINGS {
            self.findings.push(finding);
        }
    }
}

/// One disk, open.
struct Disk {
    broker: BrokerId,
    store: LogStore,
    /// Held while it is read.
    _lock: DataDir,
}

/// One replica.
struct Replica<'a> {
    name: String,
    at: TopicPartition,
    disk: &'a Disk,
    log: ReplicaLog,
}

/// Compares the replicas in these data folders; their brokers must not run. Blocks.
///
/// # Errors
/// [`Error`]; what is wrong with records is no error but a finding.
pub fn offline(paths: &[PathBuf]) -> Result<Report, Error> {
    let mut cluster = None;
    let mut disks = Vec::new();
    let mut logs = Vec::new();
    for path in paths {
        let failed = |source| Error::Disk {
            path: path.clone(),
            source,
        };
        let lock = DataDir::inspect(path).map_err(failed)?;
        let identity = lock.identity().clone();
        if *cluster.get_or_insert(identity.cluster) != identity.cluster {
            let other = identity.cluster;
            return Err(Error::Unlike(format!(
                "{} is of cluster {other}",
                path.display()
            )));
        }
        if disks
            .iter()
            .any(|disk: &Disk| disk.broker == identity.broker)
        {
            let broker = identity.broker;
            return Err(Error::Unlike(format!("two disks of broker {broker}")));
        }
        let (store, recovered) = disk_log::open(path).map_err(failed)?;
        logs.push(recovered);
        disks.push(Disk {
            broker: identity.broker,
            store,
            _lock: lock,
        });
    }
    let mut partitions: BTreeMap<TopicPartition, Vec<Replica<'_>>> = BTreeMap::new();
    for (disk, recovered) in disks.iter().zip(&logs) {
        for found in recovered {
            let at = found.partition;
            partitions.entry(at).or_default().push(Replica {
                name: format!("{}/{}", found.topic_name, at.partition),
                at,
                disk,
                log: disk_log::log_of(found),
            });
        }
    }
    let mut report = Report::default();
    for replicas in partitions.values() {
        report.partitions += 1;
        report.replicas += replicas.len() as u64;
        compare_all(replicas, &mut report);
    }
    Ok(report)
}

fn compare_all(replicas: &[Replica<'_>], report: &mut Report) {
    let best = replicas.iter().max_by_key(|replica| replica.committed());
    let Some(best) = best else {
        return;
    };
    for replica in replicas {
        if replica.disk.broker == best.disk.broker {
            replica.read_alone(replica.log.log_start(), replica.log.log_end(), report);
        } else {
            replica.compare(best, report);
            compare_producers(replica, best, report);
        }
    }
}

impl Replica<'_> {
    /// Up to where this replica knows its records to be committed.
    fn committed(&self) -> Offset {
        self.log.known_high_watermark().min(self.log.log_end())
    }

    fn finding(&self, offset: Offset, what: String) -> Finding {
        Finding {
            partition: self.name.clone(),
            broker: self.disk.broker,
            offset,
            what,
        }
    }

    /// The next batches from an offset on, verified.
    fn step(&self, from: Offset, up_to: Offset) -> Result<Vec<StoredBatch>, StoreError> {
        self.disk.store.read(self.at, from, up_to, STEP_BYTES)
    }

    /// Reads a range of which there is nothing to compare with.
    fn read_alone(&self, mut from: Offset, up_to: Offset, report: &mut Report) {
        while from < up_to {
            match self.step(from, up_to) {
                Ok(batches) => {
                    let Some(last) = batches.last() else {
                        return;
                    };
                    count(&batches, report);
                    from = last.info.end_offset();
                }
                Err(StoreError::DamagedBatch {
                    base_offset,
                    reason,
                    ..
                }) => {
                    report.add(self.finding(base_offset, reason));
                    // On to what is behind it, as far as the index knows what that is.
                    let next = self.disk.store.index(self.at, base_offset, up_to, 1);
                    match next
                        .ok()
                        .and_then(|found| found.first().map(BatchInfo::end_offset))
                    {
                        Some(next) if next > from => from = next,
                        _ => return,
                    }
                }
                Err(error) => {
                    report.add(self.finding(from, error.to_string()));
                    return;
                }
            }
        }
    }

    /// Compares what both know to be committed, and reads the rest of this one.
    fn compare(&self, best: &Self, report: &mut Report) {
        let up_to = self.committed().min(best.committed());
        let start = self.log.log_start();
        let mut from = start.max(best.log.log_start());
        self.read_alone(start, from, report);
        while from < up_to {
            let (own, other) = match (self.step(from, up_to), best.step(from, up_to)) {
                (Ok(own), Ok(other)) => (own, other),
                // It is found where that one is read.
                (Ok(_), Err(_)) => break,
                (Err(_), _) => {
                    // Said batch by batch.
                    self.read_alone(from, self.log.log_end(), report);
                    return;
                }
            };
            let same = own.iter().zip(&other).take_while(|(a, b)| a == b).count();
            count(own.get(..same).unwrap_or_default(), report);
            report.compared += same as u64;
            if let (Some(a), Some(b)) = (own.get(same), other.get(same)) {
                let at = a.info.base_offset.min(b.info.base_offset);
                let broker = best.disk.broker;
                report.add(self.finding(at, format!("another batch than on broker {broker}")));
                return;
            }
            let Some(last) = same.checked_sub(1).and_then(|last| own.get(last)) else {
                let broker = best.disk.broker;
                report.add(self.finding(from, format!("not the batches of broker {broker}")));
                return;
            };
            from = last.info.end_offset();
        }
        self.read_alone(from, self.log.log_end(), report);
    }
}

fn count(batches: &[StoredBatch], report: &mut Report) {
    report.batches += batches.len() as u64;
    report.bytes += batches
        .iter()
        .map(|batch| batch.bytes.len() as u64)
        .sum::<u64>();
}

/// Where both logs end at the same committed offset, they must know the same of each producer.
fn compare_producers(replica: &Replica<'_>, best: &Replica<'_>, report: &mut Report) {
    let end = replica.log.log_end();
    if end != best.log.log_end() || end != replica.committed() || end != best.committed() {
        return;
    }
    let (own, other) = (
        replica.log.producers().entries(),
        best.log.producers().entries(),
    );
    let newest = own
        .iter()
        .chain(&other)
        .map(|entry| entry.last_timestamp)
        .max();
    let speaks = |entry: &&ProducerEntry| {
        newest.is_some_and(|newest| newest - entry.last_timestamp < SILENT_MS)
    };
    for entry in other.iter().filter(speaks) {
        let id = entry.producer_id;
        if !own.contains(entry) {
            let what = format!(
                "knows something else of producer {id} than {}",
                best.disk.broker
            );
            report.add(replica.finding(end, what));
        }
    }
    for entry in own.iter().filter(speaks) {
        let id = entry.producer_id;
        if other.iter().all(|known| known.producer_id != id) {
            let what = format!(
                "knows producer {id}, which broker {} does not",
                best.disk.broker
            );
            report.add(replica.finding(end, what));
        }
    }
}

#[cfg(test)]
mod tests;
