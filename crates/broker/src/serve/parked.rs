//! A parked broker: its process holds the disk and says so, and does nothing else.

use std::sync::Arc;

use futures::stream::BoxStream;
use holdfast_kernel::image::FEATURE_LEVEL;
use holdfast_model::{Clock, SystemClock};
use holdfast_rpc::admin::AdminService;
use holdfast_rpc::proto::admin::{
    AcquirePermitReply, AcquirePermitRequest, AdmitDiskReply, AdmitDiskRequest,
    ChangeSettingsReply, ChangeSettingsRequest, DeleteTopicReply, DeleteTopicRequest,
    DescribeBrokerReply, DescribeBrokerRequest, DescribeClusterReply, DescribeClusterRequest,
    DescribeTopicReply, DescribeTopicRequest, EndPermitReply, EndPermitRequest, EnsureTopicReply,
    EnsureTopicRequest, Event, Lifecycle, ListClientHabitsReply, ListClientHabitsRequest,
    RaiseFeatureLevelReply, RaiseFeatureLevelRequest, WatchRequest,
};
use holdfast_rpc::{Request, Response, Status, async_trait};
use holdfast_runtime::config::Config;
use holdfast_runtime::tasks::Class;
use holdfast_runtime::{Metrics, Probes, Tasks, admin_http, signals};
use holdfast_store::DataDir;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{StartError, Stopped, api};

/// Holds the disk until a signal stops the process.
///
/// # Errors
/// The disk, a port or the certificates do not allow it.
pub(super) async fn run(config: Config, files_digest: String) -> Result<Stopped, StartError> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let metrics = Metrics::new();
    let tasks = Tasks::new(&metrics);
    let asked_to_stop = signals::watch(&tasks)?;
    // Its start is not counted: the disk stays as it is.
    let disk = DataDir::read(&config.data_dir)?;
    let probes = Probes::new(Arc::clone(&clock));
    probes.set_not_ready("parked by its configuration");
    let socket = super::start::bind(&config.admin_bind).await?;
    tasks.spawn(
        "admin-http",
        Class::Watcher,
        serve_probes(socket, metrics, probes),
    );
    let rpc = config.rpc.advertised();
    let reply = DescribeBrokerReply {
        cluster_id: disk.cluster.to_string(),
        broker: disk.broker.0,
        incarnation: disk.incarnation.to_string(),
        start: disk.start.0,
        recovery_generation: disk.recovery.0,
        version: holdfast_model::VERSION.to_owned(),
        max_feature_level: FEATURE_LEVEL,
        lifecycle: Lifecycle::Parked.into(),
        detail: "parked by its configuration".to_owned(),
        zone: config.zone.clone().unwrap_or_default(),
        configuration_digest: files_digest,
        rpc_host: rpc.host,
        rpc_port: rpc.port.into(),
        ..DescribeBrokerReply::default()
    };
    if config.admin_api.files().is_some() {
        let socket = super::start::bind(&config.admin_api.bind).await?;
        api::serve(&config, &clock, &tasks, socket, disk.cluster, Parked(reply))?;
    }
    tracing::info!(broker = %disk.broker, "parked: holds its disk and does nothing else");
    asked_to_stop.cancelled().await;
    Ok(Stopped::Gracefully)
}

async fn serve_probes(socket: TcpListener, metrics: Metrics, probes: Probes) {
    let never = CancellationToken::new();
    if let Err(error) = admin_http::serve(socket, metrics, probes, never).await {
        tracing::error!(%error, "the admin listener failed");
    }
}

/// What a parked broker answers.
#[derive(Debug)]
struct Parked(DescribeBrokerReply);

fn parked<T>() -> Result<Response<T>, Status> {
    Err(Status::unavailable(
        "this broker is parked: ask another one",
    ))
}

#[async_trait]
impl AdminService for Parked {
    async fn describe_broker(
        &self,
        _request: Request<DescribeBrokerRequest>,
    ) -> Result<Response<DescribeBrokerReply>, Status> {
        Ok(Response::new(self.0.clone()))
    }

    async fn describe_cluster(
        &self,
        _request: Request<DescribeClusterRequest>,
    ) -> Result<Response<DescribeClusterReply>, Status> {
        parked()
    }

    type WatchStream = BoxStream<'static, Result<Event, Status>>;

    async fn watch(
        &self,
        _request: Request<WatchRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        parked()
    }

    async fn acquire_permit(
        &self,
        _request: Request<AcquirePermitRequest>,
    ) -> Result<Response<AcquirePermitReply>, Status> {
        parked()
    }

    async fn end_permit(
        &self,
        _request: Request<EndPermitRequest>,
    ) -> Result<Response<EndPermitReply>, Status> {
        parked()
    }

    async fn admit_disk(
        &self,
        _request: Request<AdmitDiskRequest>,
    ) -> Result<Response<AdmitDiskReply>, Status> {
        parked()
    }

    async fn change_settings(
        &self,
        _request: Request<ChangeSettingsRequest>,
    ) -> Result<Response<ChangeSettingsReply>, Status> {
        parked()
    }

    async fn raise_feature_level(
        &self,
        _request: Request<RaiseFeatureLevelRequest>,
    ) -> Result<Response<RaiseFeatureLevelReply>, Status> {
        parked()
    }

    async fn list_client_habits(
        &self,
        _request: Request<ListClientHabitsRequest>,
    ) -> Result<Response<ListClientHabitsReply>, Status> {
        parked()
    }

    async fn describe_topic(
        &self,
        _request: Request<DescribeTopicRequest>,
    ) -> Result<Response<DescribeTopicReply>, Status> {
        parked()
    }

    async fn ensure_topic(
        &self,
        _request: Request<EnsureTopicRequest>,
    ) -> Result<Response<EnsureTopicReply>, Status> {
        parked()
    }

    async fn delete_topic(
        &self,
        _request: Request<DeleteTopicRequest>,
    ) -> Result<Response<DeleteTopicReply>, Status> {
        parked()
    }
}
