//! What a broker stands on: its disk, its identity, its memory budget, the replicas it holds.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use holdfast_kernel::config;
use holdfast_kernel::log::SegmentLimits;
use holdfast_model::{Clock, RecoveryGeneration, ReplicaId};
use holdfast_rpc::Identity;
use holdfast_runtime::budget::Share;
use holdfast_runtime::config::Config;
use holdfast_runtime::{MemoryBudget, Metrics};
use holdfast_store::{DataDir, FatalHook, LogStore, MetaDb, MetaOptions, RecoveredPartition};
use parking_lot::RwLock;

use super::{StartError, draw};
use crate::environment::Environment;
use crate::metrics::{BrokerMetrics, StoreMetrics};
use crate::partition::{Health, Partition, TailCache, restore};
use crate::partitions::Partitions;
use crate::recovery;
use crate::renewal;
use crate::replication::Peers;
use crate::test_point::TestPoint;
use crate::topic_defaults;
use crate::work::Work;

/// What is there before anybody else is spoken to.
pub(super) struct Foundation {
    pub(super) config: Config,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) identity: Identity,
    /// The lock on the disk.
    pub(super) data_dir: DataDir,
    pub(super) budget: MemoryBudget,
    pub(super) partitions: Arc<Partitions>,
    pub(super) meta: MetaDb,
}

impl Foundation {
    /// Takes the disk into use and reads what it holds.
    ///
    /// # Errors
    /// It is not this broker's, in use, or damaged.
    pub(super) async fn lay(
        config: Config,
        clock: Arc<dyn Clock>,
        metrics: &Metrics,
    ) -> Result<Self, StartError> {
        let mut data_dir = open_data_dir(&config)?;
        let budget = MemoryBudget::new(config.memory_budget(), metrics);
        let partitions = Arc::new(Partitions::new(StoreMetrics::new(metrics)));
        let opening = Opening {
            config: &config,
            clock: &clock,
            partitions: &partitions,
            budget: &budget,
        };
        let (store, recovered, meta) = opening.open(&mut data_dir).await?;
        let disk = data_dir.identity();
        let replica = ReplicaId {
            broker: disk.broker,
            incarnation: disk.incarnation,
        };
        let identity = Identity {
            cluster: disk.cluster,
            replica,
            start: disk.start,
            recovery: disk.recovery,
            process: draw(),
        };
        tracing::info!(
            cluster = %disk.cluster, broker = %disk.broker, incarnation = %disk.incarnation,
            start = %disk.start, "starts"
        );
        check_recovery(&config, &meta, disk.recovery)?;
        partitions.attach(Arc::new(Environment {
            replica,
            store,
            clock: Arc::clone(&clock),
            tail: TailCache::new(budget.capacity(Share::TailCache)),
            peers: Peers::default(),
            work: Work::default(),
            metrics: BrokerMetrics::new(metrics),
            lag_max: Duration::from_millis(config.replication.lag_time_max_ms),
            registration: RwLock::new(None),
            isolated: crate::controller::Isolated::default(),
            test_point: TestPoint::from_environment().map_err(StartError::TestPoint)?,
        }));
        add_recovered(&config, &partitions, recovered);
        Ok(Self {
            config,
            clock,
            identity,
            data_dir,
            budget,
            partitions,
            meta,
        })
    }
}

fn open_data_dir(config: &Config) -> Result<DataDir, StartError> {
    let disk = DataDir::read(&config.data_dir)?;
    if let Some(configured) = config.broker_id.filter(|id| *id != disk.broker.0) {
        return Err(StartError::WrongBroker {
            configured,
            found: disk.broker,
        });
    }
    Ok(DataDir::open(&config.data_dir, None, disk.broker)?)
}

/// A recovery that was interrupted left the metadata of the new generation on a disk of the old.
fn check_recovery(
    config: &Config,
    meta: &MetaDb,
    stamped: RecoveryGeneration,
) -> Result<(), StartError> {
    let installed = holdfast_quorum::recovery::generation(meta)
        .map_err(|error| StartError::Quorum(error.into()))?;
    if installed > stamped {
        let path = config.data_dir.clone();
        return Err(StartError::Recovery(recovery::Error::Interrupted {
            path,
            installed,
            stamped,
        }));
    }
    Ok(())
}

type Opened = (LogStore, Vec<RecoveredPartition>, MetaDb);

/// What opening a disk needs, once or twice.
struct Opening<'a> {
    config: &'a Config,
    clock: &'a Arc<dyn Clock>,
    partitions: &'a Arc<Partitions>,
    budget: &'a MemoryBudget,
}

impl Opening<'_> {
    /// Opens what the disk holds. Where that is damaged, or an earlier process left word that it is, the
    /// disk begins a new life first, if the cluster can do without the old one.
    async fn open(&self, disk: &mut DataDir) -> Result<Opened, StartError> {
        if let Some(damage) = DataDir::noted_damage(disk.path()) {
            // Otherwise what can still be read is read, and served if it is right.
            if let Err(hindrance) = renewal::renew(self.config, self.clock, disk, &damage).await? {
                tracing::error!(damage, hindrance, "goes on with the damaged disk");
            }
        }
        let error = match self.read() {
            Err(StartError::Store(error)) if error.is_damage() => error,
            opened => return opened,
        };
        let damage = error.to_string();
        match renewal::renew(self.config, self.clock, disk, &damage).await? {
            Ok(()) => self.read(),
            Err(hindrance) => Err(StartError::Damaged { error, hindrance }),
        }
    }

    /// Opens the log and the metadata at the same time; both block on the disk.
    fn read(&self) -> Result<Opened, StartError> {
        let directory = &self.config.data_dir;
        let sink = Arc::clone(self.partitions);
        let fatal = end_and_note(directory.clone());
        let mut options = holdfast_store::Options::new(directory, Arc::clone(self.clock), sink);
        options.memory_bytes = self.budget.capacity(Share::Store) as usize;
        options.reserve.reserve_bytes = self.config.disk_reserve_bytes;
        options.fatal = Arc::clone(&fatal);
        let mut meta = MetaOptions::new(directory.join("meta"), Arc::clone(self.clock));
        meta.fatal = fatal;
        tokio::task::block_in_place(|| {
            std::thread::scope(|scope| {
                let opening = scope.spawn(|| MetaDb::open(meta));
                let opened = LogStore::open(options);
                let meta = opening.join().map_err(|_panic| {
                    StartError::Io(std::io::Error::other("opening the metadata panicked"))
                })??;
                let (store, recovered) = opened?;
                Ok((store, recovered, meta))
            })
        })
    }
}

/// Ends the process. If it is stored bytes that are damaged, the next start finds word of it: it would meet
/// the same damage at the same place.
fn end_and_note(directory: PathBuf) -> FatalHook {
    Arc::new(move |error| {
        if error.is_damage()
            && let Err(failure) = DataDir::note_damage(&directory, &error.to_string())
        {
            tracing::error!(%failure, "no word is left of the damage");
        }
        holdfast_store::abort_process(error);
    })
}

fn add_recovered(
    config: &Config,
    partitions: &Arc<Partitions>,
    recovered: Vec<RecoveredPartition>,
) {
    // The image's settings follow at once; these are for the moment before.
    let defaults = topic_defaults::of(&config.topic_defaults);
    let settings = config::resolve(&BTreeMap::new(), &defaults);
    let limits = SegmentLimits {
        bytes: settings.segment_bytes,
        age_ms: settings.segment_ms,
    };
    for found in recovered {
        let log = restore(&found, limits);
        let health = Health::decode(&found.meta);
        let partition = Arc::new(Partition::new(
            found.partition,
            found.topic_name,
            log,
            settings.clone(),
            Arc::clone(partitions.environment()),
        ));
        partitions.insert(Arc::clone(&partition));
        if let Health::Damaged(reason) = health {
            partition.was_damaged(&reason);
        }
    }
}
