//! The handle to the quorum.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use holdfast_kernel::image::{ChangeBatch, ClusterImage};
use holdfast_model::Clock;
use holdfast_rpc::limits::{formation_server, raft_server};
use holdfast_rpc::proto::formation_server::FormationServer;
use holdfast_rpc::proto::raft_server::RaftServer;
use holdfast_rpc::{Channels, Identity};
use tokio::sync::{Semaphore, watch};

use crate::command::{Command, Outcome};
use crate::contacts::Contacts;
use crate::formation::{Ballot, Document, FormationService, Founder, Phase};
use crate::keyspace::Keyspace;
use crate::leadership::Leadership;
use crate::log_store::LogStore;
use crate::network::Network;
use crate::node::{NodeId, Raft};
use crate::observer::Observer;
use crate::publication::{ImageUpdates, Publication};
use crate::service::RaftService;
use crate::snapshot_store::SnapshotStore;
use crate::starts::Starts;
use crate::state_machine::StateMachine;
use crate::status::Status;
use crate::storage::{self, blocking};
use crate::{Error, Options};

/// A task to be started.
pub type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Starts a task under a name. A task that panics, or that ends before shutdown began, must end the
/// process: a quorum that failed must not leave a broker behind that looks alive.
pub type Spawn = Arc<dyn Fn(&'static str, Task) + Send + Sync>;

/// What the quorum of one process is made of.
pub struct Setup {
    /// Cluster, broker id, disk and start of this process.
    pub identity: Identity,
    /// The metadata database.
    pub keyspace: Arc<dyn Keyspace>,
    /// The document that `format` wrote; none on a broker that waits for admission.
    pub document: Option<Document>,
    /// Connections to other brokers.
    pub channels: Channels,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Starts tasks.
    pub spawn: Spawn,
    /// Settings.
    pub options: Options,
}

impl std::fmt::Debug for Setup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Setup")
            .field("identity", &self.identity)
            .finish_non_exhaustive()
    }
}

/// The metadata quorum as seen from one broker. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Quorum {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) identity: Identity,
    pub(crate) raft: Raft,
    pub(crate) options: Options,
    log: LogStore,
    ballot: Arc<Ballot>,
    publication: Arc<Publication>,
    starts: Starts,
    contacts: Contacts,
    clock: Arc<dyn Clock>,
    proposals: Semaphore,
    leadership: watch::Receiver<Leadership>,
    phase: watch::Receiver<Phase>,
    foreign: watch::Receiver<Option<String>>,
    stop: watch::Sender<bool>,
}

impl std::fmt::Debug for Quorum {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Quorum({})", self.inner.identity.replica)
    }
}

/// What is read from disk at the start.
struct Opened {
    log: LogStore,
    ballot: Ballot,
    machine: StateMachine,
}

fn open(
    setup: &Setup,
    publication: &Arc<Publication>,
    applied_bytes: &Arc<AtomicU64>,
) -> impl FnOnce() -> Result<Opened, storage::Error> + Send + use<> {
    let keyspace = Arc::clone(&setup.keyspace);
    let append_bytes = setup.options.append_bytes;
    let (identity, document) = (setup.identity, setup.document.clone());
    let (publication, applied_bytes) = (Arc::clone(publication), Arc::clone(applied_bytes));
    move || {
        let log = LogStore::open(Arc::clone(&keyspace), append_bytes)?;
        let snapshots = Arc::new(SnapshotStore::open(Arc::clone(&keyspace))?);
        let ballot = Ballot::open(identity, document, keyspace, log.clone())?;
        let machine = StateMachine::open(snapshots, publication, applied_bytes)?;
        Ok(Opened {
            log,
            ballot,
            machine,
        })
    }
}

impl Quorum {
    /// Starts this broker's part of the quorum from what its disk holds. Serve
    /// [`Quorum::raft_service`] and [`Quorum::formation_service`] right after.
    ///
    /// # Errors
    /// [`Error::Storage`] if the disk's state cannot be used, [`Error::Options`].
    pub async fn start(setup: Setup) -> Result<Self, Error> {
        let config = setup.options.to_openraft();
        let config = config.map_err(|error| Error::Options(error.to_string()))?;
        let publication = Arc::new(Publication::new(ClusterImage::default()));
        let applied_bytes = Arc::new(AtomicU64::new(0));
        let opened = blocking(open(&setup, &publication, &applied_bytes)).await?;
        let contacts = Contacts::new(Arc::clone(&setup.clock));
        let (foreign_out, foreign) = watch::channel(None);
        let starts = Starts::default();
        let network = Network {
            identity: setup.identity,
            channels: setup.channels.clone(),
            contacts: contacts.clone(),
            foreign: Arc::new(foreign_out),
            starts: starts.clone(),
            publication: Arc::clone(&publication),
        };
        let id = NodeId(setup.identity.replica);
        let log = opened.log.clone();
        let raft = Raft::new(id, Arc::new(config), network, opened.log, opened.machine).await?;

        let ballot = Arc::new(opened.ballot);
        let (stop, stopping) = watch::channel(false);
        let (phase_out, phase) = watch::channel(Phase::first(&log));
        let (leadership_out, leadership) = watch::channel(Leadership::default());
        let quorum = Self {
            inner: Arc::new(Inner {
                identity: setup.identity,
                raft: raft.clone(),
                options: setup.options,
                log,
                ballot: Arc::clone(&ballot),
                publication,
                starts,
                contacts: contacts.clone(),
                clock: setup.clock,
                proposals: Semaphore::new(setup.options.proposals),
                leadership,
                phase,
                foreign,
                stop,
            }),
        };
        let observer = Observer {
            raft,
            leadership: leadership_out,
            contacts,
            applied_bytes,
            snapshot_bytes: setup.options.snapshot_bytes,
            stopping: stopping.clone(),
        };
        (setup.spawn)("quorum-observer", Box::pin(observer.run()));
        let founder = Founder {
            quorum: quorum.clone(),
            ballot,
            channels: setup.channels,
            phase: phase_out,
            stopping,
        };
        (setup.spawn)("quorum-founder", Box::pin(founder.run()));
        Ok(quorum)
    }

    /// What answers the other members.
    pub fn raft_service(&self) -> RaftServer<RaftService> {
        let inner = &self.inner;
        raft_server(RaftService {
            identity: inner.identity,
            raft: inner.raft.clone(),
            starts: inner.starts.clone(),
            publication: Arc::clone(&inner.publication),
            answers_for_any_disk: false,
        })
    }

    /// What answers the initiator of a formation.
    pub fn formation_service(&self) -> FormationServer<FormationService> {
        formation_server(FormationService::new(Arc::clone(&self.inner.ballot)))
    }

    /// The image as this broker knows it: on the leader the newest, elsewhere a little older.
    pub fn image(&self) -> Arc<ClusterImage> {
        self.inner.publication.image()
    }

    /// Follows the image, starting with the whole of it.
    pub fn subscribe(&self) -> ImageUpdates {
        self.inner.publication.subscribe()
    }

    /// Follows who leads.
    pub fn leadership(&self) -> watch::Receiver<Leadership> {
        self.inner.leadership.clone()
    }

    /// Follows how far this broker has come on its way into the quorum.
    pub fn phase(&self) -> watch::Receiver<Phase> {
        self.inner.phase.clone()
    }

    /// Set once another member says that the cluster was recovered without this disk: what it says.
    /// The process must stop, or two clusters of one name take records.
    pub fn foreign(&self) -> watch::Receiver<Option<String>> {
        self.inner.foreign.clone()
    }

    /// Proposes a batch and waits until it is committed and applied here, or skipped because it was
    /// decided on an older image.
    ///
    /// # Errors
    /// [`Error::NotLeader`] if it certainly had no effect, [`Error::TimedOut`] if that is unknown,
    /// [`Error::Overloaded`], [`Error::TooLarge`], [`Error::Fatal`]. Cancelling the call leaves the
    /// outcome unknown.
    pub async fn propose(&self, batch: &ChangeBatch) -> Result<Outcome, Error> {
        let inner = &self.inner;
        let command = Command::encode(batch)
            .map_err(|error| storage::Error::Unwritable(error.to_string()))?;
        let limit = inner.options.proposal_bytes;
        if command.len() > limit {
            return Err(Error::TooLarge {
                bytes: command.len(),
                limit,
            });
        }
        let _permit = inner
            .proposals
            .try_acquire()
            .map_err(|_none_left| Error::Overloaded)?;
        let written = inner.raft.client_write(command);
        let written = tokio::time::timeout(inner.options.propose_timeout, written);
        let written = written.await.map_err(|_elapsed| Error::TimedOut)??;
        Ok(written.data)
    }

    /// Whether a majority of the voters, this broker included if it votes, answered it within a
    /// time. Only a leader asks them, so on others this is false. A leader that is cut off believes
    /// for ever that it leads.
    pub fn hears_majority(&self, within: Duration) -> bool {
        let inner = &self.inner;
        let metrics = inner.raft.metrics().borrow().clone();
        let now = inner.clock.monotonic();
        let membership = metrics.membership_config.membership();
        let heard = |id: &NodeId| {
            *id == metrics.id
                || inner
                    .contacts
                    .get(*id)
                    .is_some_and(|contact| now.since(contact.answered) <= within)
        };
        metrics.current_leader == Some(metrics.id)
            && membership
                .get_joint_config()
                .iter()
                .all(|voters| voters.iter().filter(|id| heard(id)).count() > voters.len() / 2)
    }

    /// Waits until the image here has reached a version.
    ///
    /// # Errors
    /// [`Error::TimedOut`], [`Error::Fatal`] once the quorum shut down.
    pub async fn wait_applied(
        &self,
        version: u64,
        deadline: Duration,
    ) -> Result<Arc<ClusterImage>, Error> {
        let mut updates = self.subscribe();
        let wait = async {
            while let Some(update) = updates.next().await {
                if update.image.version >= version {
                    return Ok(update.image);
                }
            }
            Err(Error::Fatal("shut down".to_owned()))
        };
        tokio::time::timeout(deadline, wait)
            .await
            .map_err(|_elapsed| Error::TimedOut)?
    }

    /// The state of the quorum as this broker knows it.
    pub fn status(&self) -> Status {
        let inner = &self.inner;
        let metrics = inner.raft.metrics().borrow().clone();
        Status::of(
            &metrics,
            inner.log.range().start,
            &inner.contacts,
            inner.clock.wall_ms(),
        )
    }

    /// Stops this broker's part: no more votes, appends or updates. What was answered is on disk.
    pub async fn shutdown(&self) {
        self.inner.stop.send_replace(true);
        if let Err(error) = self.inner.raft.shutdown().await {
            tracing::warn!(%error, "metadata quorum did not stop cleanly");
        }
        self.inner.publication.end();
    }
}
