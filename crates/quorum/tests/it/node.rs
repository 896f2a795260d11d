//! One broker's part of the quorum, with its disk, its address and its server.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use holdfast_model::{
    BrokerId, ClusterId, Incarnation, RecoveryGeneration, ReplicaId, StartNumber, SystemClock,
};
use holdfast_quorum::{Document, Error, Keyspace, Options, Peer, Phase, Quorum, Setup, Task};
use holdfast_rpc::{Channels, Identity, Options as RpcOptions, Server, serve};
use holdfast_store::{MetaDb, MetaOptions};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use uuid::Uuid;

/// Generous: the machine may be busy with other tests.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) fn cluster_id() -> ClusterId {
    ClusterId(Uuid::from_u128(7))
}

/// Faster than production, so that tests are; not so fast that a busy machine loses leaders.
pub(crate) fn options() -> Options {
    Options {
        formation_retry: Duration::from_millis(50),
        ..Options::default()
    }
}

/// Looks until a condition holds.
#[expect(clippy::disallowed_methods, reason = "a test waits in real time")]
pub(crate) async fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::from_std(std::time::Instant::now()) + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(
            Instant::from_std(std::time::Instant::now()) < deadline,
            "not in time: {what}"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// What stays when the process is gone: the disk and the address.
#[derive(Clone, Debug)]
pub(crate) struct Site {
    pub(crate) replica: ReplicaId,
    pub(crate) address: SocketAddr,
    pub(crate) path: PathBuf,
    pub(crate) document: Option<Document>,
    pub(crate) recovery: RecoveryGeneration,
    pub(crate) options: Options,
    pub(crate) start: StartNumber,
    pub(crate) process: u64,
}

pub(crate) struct Node {
    pub(crate) quorum: Quorum,
    pub(crate) site: Site,
    db: Arc<MetaDb>,
    stop: oneshot::Sender<()>,
    server: JoinHandle<()>,
    channels: Channels,
}

#[expect(clippy::disallowed_methods, reason = "a test has no supervisor")]
fn spawn(_name: &'static str, task: Task) {
    tokio::spawn(task);
}

impl Site {
    pub(crate) fn peer(&self) -> Peer {
        Peer {
            host: self.address.ip().to_string(),
            port: self.address.port(),
            zone: None,
        }
    }

    /// The same disk at its next start.
    pub(crate) fn started_again(&self, process: u64) -> Self {
        Self {
            start: StartNumber(self.start.0 + 1),
            process,
            ..self.clone()
        }
    }

    /// What is on the disk now, elsewhere.
    pub(crate) fn copy_to(&self, path: &Path) {
        let mut copy = std::process::Command::new("cp");
        let copied = copy.arg("-a").arg(&self.path).arg(path).status();
        assert!(copied.expect("cp").success());
    }

    /// Another disk at the same place.
    pub(crate) fn wiped(&self, incarnation: u64) -> Self {
        std::fs::remove_dir_all(&self.path).expect("wipe");
        let incarnation = Incarnation(incarnation);
        let replica = ReplicaId {
            broker: self.replica.broker,
            incarnation,
        };
        Self {
            replica,
            ..self.clone()
        }
    }

    pub(crate) fn open(&self) -> Arc<MetaDb> {
        std::fs::create_dir_all(&self.path).expect("directory");
        let mut options = MetaOptions::new(&self.path, Arc::new(SystemClock::new()));
        // A planted failure is noticed by the quorum; the test's process goes on.
        options.fatal = Arc::new(|_error| {});
        Arc::new(MetaDb::open(options).expect("database"))
    }

    pub(crate) async fn start(&self) -> Node {
        let db = self.open();
        self.start_on(Arc::clone(&db) as Arc<dyn Keyspace>, db)
            .await
            .expect("start")
    }

    /// Starts on a keyspace that wraps the database.
    #[expect(clippy::disallowed_methods, reason = "a test has no supervisor")]
    pub(crate) async fn start_on(
        &self,
        keyspace: Arc<dyn Keyspace>,
        db: Arc<MetaDb>,
    ) -> Result<Node, Error> {
        let channels = Channels::new(RpcOptions::default(), Arc::new(SystemClock::new()));
        let setup = Setup {
            identity: Identity {
                cluster: cluster_id(),
                replica: self.replica,
                start: self.start,
                recovery: self.recovery,
                process: self.process,
            },
            keyspace,
            document: self.document.clone(),
            channels: channels.clone(),
            clock: Arc::new(SystemClock::new()),
            spawn: Arc::new(spawn),
            options: self.options,
        };
        let quorum = Quorum::start(setup).await?;
        let listener = TcpListener::bind(self.address).await.expect("bind");
        let router = Server::builder(&RpcOptions::default())
            .add_service(quorum.raft_service())
            .add_service(quorum.formation_service());
        let (stop, stopped) = oneshot::channel();
        let server = tokio::spawn(async move {
            let shutdown = async {
                stopped.await.ok();
            };
            serve(listener, router, shutdown).await.expect("serve");
        });
        Ok(Node {
            quorum,
            site: self.clone(),
            db,
            stop,
            server,
            channels,
        })
    }
}

impl Node {
    pub(crate) fn is_ready(&self) -> bool {
        self.quorum.leadership().borrow().ready
    }

    pub(crate) fn phase(&self) -> Phase {
        self.quorum.phase().borrow().clone()
    }

    /// Ends everything of the process; the disk keeps what was synced, which is all of it.
    pub(crate) async fn stop(self) -> Site {
        let Self {
            quorum,
            site,
            db,
            stop,
            server,
            channels,
        } = self;
        quorum.shutdown().await;
        drop(quorum);
        drop(channels);
        stop.send(()).ok();
        let ended = tokio::time::timeout(PATIENCE, server).await;
        ended
            .expect("the server ended in time")
            .expect("the server ended well");
        // The next process can only open the database once this one let go of it.
        eventually("all handles to the database are closed", || {
            (Arc::strong_count(&db) == 1).then_some(())
        })
        .await;
        site
    }
}

pub(crate) fn broker(id: i32) -> BrokerId {
    BrokerId(id)
}
