//! The order in which a broker comes up.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use holdfast_kernel::controller::Registration;
use holdfast_kernel::image::{Endpoint, FEATURE_LEVEL};
use holdfast_kernel::log::TrustedWall;
use holdfast_kernel::log::trusted_wall::CLOCK_SLACK;
use holdfast_kernel::planted::Planted;
use holdfast_model::{BrokerEpoch, Clock, SystemClock};
use holdfast_quorum::{Quorum, Setup};
use holdfast_rpc::limits::{controller_server, repair_server, replication_server};
use holdfast_rpc::{Address, Channels, Server};
use holdfast_runtime::config::{Config, HostPort};
use holdfast_runtime::tasks::Class;
use holdfast_runtime::{Metrics, Probes, Tasks, admin_http, signals};
use holdfast_store::DataDir;
use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio::sync::{Notify, Semaphore, watch};
use tokio_util::sync::CancellationToken;

use super::StartError;
use super::foundation::Foundation;
use super::options::{controller_options, quorum_spawn, read_document, rpc_options};
use crate::admin::{AdminApi, Process};
use crate::admission::{self, Admissions};
use crate::answer_memory::AnswerMemory;
use crate::controller::{
    ControllerClient, ControllerService, Heartbeats, Lifecycle, Office, OfficeHandle,
    watch_for_refusals,
};
use crate::coordinator::Offices;
use crate::habits::Habits;
use crate::handlers::fetch::FetchSessions;
use crate::image_follower::ImageFollower;
use crate::net::listener::Listener;
use crate::partitions::Partitions;
use crate::renewal;
use crate::repair::{Mender, RepairService, Scrub};
use crate::replication::{Links, ReplicationService};
use crate::state::BrokerState;
use crate::telemetry::{self, MaybeTelemetry, Receiver, Telemetry};
use crate::topic_defaults;
use crate::upkeep::Upkeep;

/// A running broker.
#[derive(Debug)]
pub struct Broker {
    pub(super) state: Arc<BrokerState>,
    pub(super) tasks: Tasks,
    pub(super) probes: Probes,
    pub(super) lifecycle: watch::Receiver<Lifecycle>,
    pub(super) asked_to_stop: CancellationToken,
    /// Ends the reports to the controller, last of all.
    pub(super) last: CancellationToken,
    /// The lock on the disk.
    _data_dir: DataDir,
}

/// The sockets, bound before anything else: a port in use is the likeliest mistake.
struct Sockets {
    clients: Vec<(String, TcpListener)>,
    rpc: TcpListener,
    admin: TcpListener,
    /// Only where it has certificates.
    api: Option<TcpListener>,
}

pub(super) async fn bind(address: &HostPort) -> Result<TcpListener, StartError> {
    let listen = |source| StartError::Listen {
        address: address.to_string(),
        source,
    };
    TcpListener::bind((address.host.as_str(), address.port))
        .await
        .map_err(listen)
}

impl Sockets {
    async fn bind(config: &Config) -> Result<Self, StartError> {
        let mut clients = Vec::new();
        for listener in &config.listeners {
            clients.push((listener.name.clone(), bind(&listener.bind).await?));
        }
        Ok(Self {
            clients,
            rpc: bind(&config.rpc.bind).await?,
            admin: bind(&config.admin_bind).await?,
            api: match config.admin_api.files() {
                Some(_) => Some(bind(&config.admin_api.bind).await?),
                None => None,
            },
        })
    }
}

impl Broker {
    /// Brings a broker up as far as it can come by itself; the cluster lets it in later.
    ///
    /// # Errors
    /// The disk, the configuration or a port does not allow it.
    pub async fn start(config: Config, files_digest: String) -> Result<Self, StartError> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let metrics = Metrics::new();
        let tasks = Tasks::new(&metrics);
        let asked_to_stop = signals::watch(&tasks)?;
        let probes = Probes::new(Arc::clone(&clock));
        let sockets = Sockets::bind(&config).await?;
        let foundation = Foundation::lay(config, clock, &metrics).await?;
        let last = CancellationToken::new();
        let (parts, office, data_dir) = Parts::raise(foundation, tasks.clone()).await?;
        let state = Arc::clone(&parts.state);
        parts.serve_rpc(sockets.rpc);
        parts.serve_admin(sockets.admin, metrics, probes.clone());
        tasks.spawn(
            "controller",
            Class::Critical,
            office.run(tasks.shutdown_token()),
        );
        let lifecycle = parts.join(probes.clone(), last.clone());
        if let Some(socket) = sockets.api {
            let process = Process {
                files_digest,
                rpc: parts.rpc_address(),
            };
            let api = AdminApi {
                state: Arc::clone(&state),
                identity: parts.links.identity,
                lifecycle: lifecycle.clone(),
                process,
            };
            let cluster = api.identity.cluster;
            super::api::serve(&state.config, &state.clock, &tasks, socket, cluster, api)?;
        }
        parts.look_after();
        parts.listen(sockets.clients, &lifecycle);
        Ok(Self {
            state,
            tasks,
            probes,
            lifecycle,
            asked_to_stop,
            last,
            _data_dir: data_dir,
        })
    }
}

/// What the tasks of a broker are made from.
struct Parts {
    state: Arc<BrokerState>,
    links: Links,
    office: OfficeHandle,
    tasks: Tasks,
}

impl Parts {
    /// Starts the quorum on what the disk holds, and puts the broker's state together.
    async fn raise(
        foundation: Foundation,
        tasks: Tasks,
    ) -> Result<(Self, Office, DataDir), StartError> {
        let Foundation {
            config,
            clock,
            identity,
            data_dir,
            budget,
            partitions,
            meta,
        } = foundation;
        let channels = Channels::new(rpc_options(&config), Arc::clone(&clock));
        let quorum = Quorum::start(Setup {
            identity,
            keyspace: Arc::new(meta),
            document: read_document(&config.data_dir)?,
            channels: channels.clone(),
            clock: Arc::clone(&clock),
            spawn: quorum_spawn(&tasks),
            options: holdfast_quorum::Options::default(),
        })
        .await?;
        let options = controller_options(&config);
        let (office, handle) = Office::new(quorum.clone(), Arc::clone(&clock), options);
        let controller = ControllerClient::new(
            handle.clone(),
            quorum.clone(),
            channels.clone(),
            identity,
            Arc::clone(&clock),
        );
        let telemetry = receive_telemetry(&config, &partitions, &tasks)?;
        let state = Arc::new(BrokerState {
            telemetry,
            topic_defaults: topic_defaults::of(&config.topic_defaults),
            wall: TrustedWall::new(
                clock.wall_ms(),
                clock.monotonic(),
                CLOCK_SLACK,
                Planted::None,
            ),
            clock,
            partitions: Arc::clone(&partitions),
            quorum,
            controller,
            offices: Offices::default(),
            habits: Habits::default(),
            fetch_sessions: FetchSessions::within(budget.total()),
            budget,
            answer_memory: AnswerMemory::default(),
            producer_ids: Mutex::new((0, 0)),
            disk_reads: Arc::new(Semaphore::new(config.read_threads.max(1))),
            config,
        });
        let links = Links {
            partitions,
            channels,
            identity,
            tasks: tasks.clone(),
        };
        Ok((
            Self {
                state,
                links,
                office: handle,
                tasks,
            },
            office,
            data_dir,
        ))
    }

    fn serve_rpc(&self, socket: TcpListener) {
        let quorum = &self.state.quorum;
        let identity = self.links.identity;
        let replication = ReplicationService::new(
            Arc::clone(&self.links.partitions),
            self.state.budget.clone(),
            identity,
            self.tasks.clone(),
        );
        let admissions = Admissions::new(
            self.office.clone(),
            quorum.clone(),
            self.links.channels.clone(),
            identity,
        );
        let controller = ControllerService::new(
            self.office.clone(),
            quorum.clone(),
            identity,
            admissions,
            self.state.environment().isolated.clone(),
            Arc::clone(&self.state.clock),
        );
        let repair = RepairService {
            partitions: Arc::clone(&self.links.partitions),
            budget: self.state.budget.clone(),
            identity,
            disk_reads: Arc::clone(&self.state.disk_reads),
        };
        let router = Server::builder(&rpc_options(&self.state.config))
            .add_service(quorum.raft_service())
            .add_service(quorum.formation_service())
            .add_service(controller_server(controller))
            .add_service(replication_server(replication))
            .add_service(repair_server(repair));
        let stop = self.tasks.shutdown_token();
        self.tasks.spawn("rpc-server", Class::Critical, async move {
            let served = holdfast_rpc::serve(socket, router, stop.cancelled_owned()).await;
            if let Err(error) = served {
                tracing::error!(%error, "the listener for other brokers failed");
            }
        });
    }

    fn serve_admin(&self, socket: TcpListener, metrics: Metrics, probes: Probes) {
        // Metrics and probes answer to the very end.
        self.tasks.spawn("admin-http", Class::Watcher, async move {
            let never = CancellationToken::new();
            if let Err(error) = admin_http::serve(socket, metrics, probes, never).await {
                tracing::error!(%error, "the admin listener failed");
            }
        });
    }

    /// Registers, follows the image, and says where this process stands.
    fn join(&self, probes: Probes, last: CancellationToken) -> watch::Receiver<Lifecycle> {
        let (lifecycle, watching) = watch::channel(Lifecycle::Registering(None));
        let refresh = Arc::new(Notify::new());
        let quorum = self.state.quorum.clone();
        let follower = ImageFollower::new(self.links.clone(), self.state.topic_defaults.clone());
        self.tasks.spawn(
            "image-follower",
            Class::Critical,
            follower.run(
                quorum.clone(),
                quorum.subscribe(),
                Arc::clone(&refresh),
                self.tasks.shutdown_token(),
            ),
        );
        let interval = Duration::from_millis(self.state.config.replication.heartbeat_interval_ms);
        let heartbeats = Heartbeats {
            client: self.state.controller.clone(),
            quorum: quorum.clone(),
            registration: self.registration(),
            admission: admission::command(
                self.links.identity.cluster,
                self.links.identity.replica,
                &self.rpc_address(),
                self.state.config.admin_api.files().is_some(),
            ),
            interval,
            session_timeout: Duration::from_millis(
                self.state.config.replication.session_timeout_ms,
            ),
            partitions: Arc::clone(&self.state.partitions),
            clock: Arc::clone(&self.state.clock),
            lifecycle,
            probes,
        };
        let environment = Arc::clone(self.state.environment());
        let registered = move |epoch: BrokerEpoch| {
            *environment.registration.write() = Some(epoch);
            refresh.notify_one();
        };
        // Not drained with the others: a broker that stops reports until it leads nothing.
        self.tasks.spawn(
            "heartbeats",
            Class::Watcher,
            heartbeats.run(registered, last),
        );
        self.tasks.spawn(
            "refusal-watch",
            Class::Critical,
            watch_for_refusals(
                self.office.clone(),
                quorum,
                self.links.channels.clone(),
                self.state.id(),
                interval,
                self.tasks.shutdown_token(),
            ),
        );
        watching
    }

    fn rpc_address(&self) -> Address {
        renewal::own_address(&self.state.config)
    }

    fn registration(&self) -> Registration {
        let config = &self.state.config;
        let identity = self.links.identity;
        let rpc = self.rpc_address();
        let endpoints = config.listeners.iter().map(|listener| {
            let advertised = listener.advertised();
            Endpoint {
                listener: listener.name.clone(),
                host: advertised.host,
                port: advertised.port,
            }
        });
        Registration {
            broker: identity.replica.broker,
            incarnation: identity.replica.incarnation,
            start: identity.start,
            process: identity.process,
            rack: config.zone.clone(),
            endpoints: endpoints.collect(),
            rpc: Endpoint {
                listener: "RPC".to_owned(),
                host: rpc.host,
                port: rpc.port,
            },
            logs: self.links.partitions.log_ends(),
            version: holdfast_model::VERSION.to_owned(),
            max_feature_level: FEATURE_LEVEL,
        }
    }

    fn look_after(&self) {
        let upkeep = Upkeep {
            partitions: Arc::clone(&self.links.partitions),
            controller: self.state.controller.clone(),
            clock: Arc::clone(&self.state.clock),
            wall: self.state.wall,
            budget: self.state.budget.clone(),
            retention_interval: Duration::from_millis(
                self.state.config.retention_check_interval_ms.max(1),
            ),
        };
        let stop = || self.tasks.shutdown_token();
        self.tasks.spawn(
            "partition-timers",
            Class::Critical,
            upkeep.clone().timers(stop()),
        );
        self.tasks
            .spawn("isr-changes", Class::Critical, upkeep.clone().isr(stop()));
        self.tasks
            .spawn("rebuilds", Class::Critical, upkeep.clone().rebuilds(stop()));
        self.tasks.spawn(
            "resignations",
            Class::Critical,
            upkeep.clone().resignations(stop()),
        );
        self.tasks
            .spawn("retention", Class::Critical, upkeep.retention(stop()));
        let mender = Mender {
            partitions: Arc::clone(&self.links.partitions),
            channels: self.links.channels.clone(),
            identity: self.links.identity,
            disk_reads: Arc::clone(&self.state.disk_reads),
            controller: self.state.controller.clone(),
            directory: self.state.config.data_dir.clone(),
        };
        self.tasks
            .spawn("mender", Class::Critical, mender.run(stop()));
        let scrub = Scrub {
            partitions: Arc::clone(&self.links.partitions),
            disk_reads: Arc::clone(&self.state.disk_reads),
            bytes_per_second: self.state.config.scrub_bytes_per_second,
        };
        let directory = self.state.config.data_dir.clone();
        let me = self.state.id();
        let quorum = self.state.quorum.clone();
        let remembering = renewal::remember_brokers(directory, quorum, me, stop());
        self.tasks.spawn("address-book", Class::Job, remembering);
        // Unless this disk is a new life, it ends at once; so does the scrub where it is switched off.
        let comeback = renewal::ask_to_come_back(
            self.state.config.data_dir.clone(),
            self.links.identity,
            self.rpc_address(),
            self.state.quorum.clone(),
            stop(),
        );
        self.tasks.spawn("comeback", Class::Job, comeback);
        self.tasks.spawn("scrub", Class::Job, scrub.run(stop()));
        self.tasks.spawn(
            "group-offices",
            Class::Critical,
            Offices::run(Arc::clone(&self.state), self.tasks.clone(), stop()),
        );
    }

    /// Lets clients in once the cluster has let this broker in.
    fn listen(&self, sockets: Vec<(String, TcpListener)>, lifecycle: &watch::Receiver<Lifecycle>) {
        let open = Arc::new(AtomicUsize::new(0));
        for (name, socket) in sockets {
            let listener = Listener {
                name: Arc::from(name),
                socket,
                broker: Arc::clone(&self.state),
                tasks: self.tasks.clone(),
                open: Arc::clone(&open),
            };
            let mut lifecycle = lifecycle.clone();
            let stop = self.tasks.shutdown_token();
            self.tasks.spawn("client-listener", Class::Job, async move {
                let serving = lifecycle.wait_for(|stage| matches!(stage, Lifecycle::Serving(_)));
                tokio::select! {
                    biased;
                    () = stop.cancelled() => return,
                    serving = serving => if serving.is_err() { return },
                }
                listener.run().await;
            });
        }
    }
}

/// Hands clients' metrics on, where somebody receives them.
fn receive_telemetry(
    config: &Config,
    partitions: &Partitions,
    tasks: &Tasks,
) -> Result<MaybeTelemetry, StartError> {
    let Some(receiver) = &config.telemetry.receiver else {
        return Ok(None);
    };
    let receiver = Receiver::new(receiver).map_err(StartError::Telemetry)?;
    let (telemetry, payloads) = Telemetry::new(&config.telemetry);
    let metrics = partitions.environment().metrics.telemetry.clone();
    let stop = tasks.shutdown_token();
    let forwarding = telemetry::forward(receiver, payloads, metrics, stop);
    tasks.spawn("telemetry", Class::Critical, forwarding);
    Ok(Some(Arc::new(telemetry)))
}
