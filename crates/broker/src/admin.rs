//! The admin API: what people and operators ask (`rpc/proto/admin.proto` says each call).
//!
//! Every call is for some roles only. What the controller decides goes to it through this broker's
//! own way; the state of the cluster is this broker's image with what the leader of the quorum adds.

mod admit;
mod broker;
mod cluster;
mod events;
mod habits;
mod permit;
mod roles;
mod settings;
mod topic;

use std::sync::Arc;

use futures::stream::BoxStream;
use holdfast_kernel::controller::Failure;
use holdfast_kernel::image::ClusterImage;
use holdfast_model::ErrorCode;
use holdfast_rpc::admin::AdminService;
use holdfast_rpc::proto::admin::{
    AcquirePermitReply, AcquirePermitRequest, AdmitDiskReply, AdmitDiskRequest,
    ChangeSettingsReply, ChangeSettingsRequest, DeleteTopicReply, DeleteTopicRequest,
    DescribeBrokerReply, DescribeBrokerRequest, DescribeClusterReply, DescribeClusterRequest,
    DescribeTopicReply, DescribeTopicRequest, EndPermitReply, EndPermitRequest, EnsureTopicReply,
    EnsureTopicRequest, Event, ListClientHabitsReply, ListClientHabitsRequest,
    RaiseFeatureLevelReply, RaiseFeatureLevelRequest, WatchRequest,
};
use holdfast_rpc::{Identity, Request, Response, Status, async_trait};
use holdfast_security::PeerRole;
use tokio::sync::watch;

pub use broker::Process;
use roles::only;

use crate::controller::Lifecycle;
use crate::state::BrokerState;

/// Whoever may look.
const ALL: &[PeerRole] = &[PeerRole::Broker, PeerRole::Operator, PeerRole::Admin];

/// Whoever may change something.
const RULERS: &[PeerRole] = &[PeerRole::Operator, PeerRole::Admin];

/// Whoever may set rules aside.
const PEOPLE: &[PeerRole] = &[PeerRole::Admin];

/// Answers the calls.
#[derive(Debug)]
pub struct AdminApi {
    /// The broker.
    pub state: Arc<BrokerState>,
    /// This process.
    pub identity: Identity,
    /// Where it stands with its cluster.
    pub lifecycle: watch::Receiver<Lifecycle>,
    /// What does not change while it runs.
    pub process: Process,
}

/// What a refusal of the controller is to the caller.
fn refusal(failure: &Failure) -> Status {
    let message = failure.message.clone();
    match failure.code {
        ErrorCode::NotController => Status::unavailable(message),
        ErrorCode::UnknownTopicOrPartition => Status::not_found(message),
        ErrorCode::TopicAlreadyExists => Status::already_exists(message),
        ErrorCode::InvalidConfig | ErrorCode::InvalidTopicException => {
            Status::invalid_argument(message)
        }
        _other => Status::failed_precondition(message),
    }
}

impl AdminApi {
    /// The same where the controller may run an older version. It cannot read the command then, and
    /// does not say why nothing comes of it; what this broker's image has against it does.
    fn refusal_or(
        &self,
        failure: &Failure,
        by_image: impl FnOnce(&ClusterImage) -> Option<Failure>,
    ) -> Status {
        let unanswered = failure.code == ErrorCode::NotController;
        let known = unanswered.then(|| by_image(&self.state.quorum.image()));
        refusal(known.flatten().as_ref().unwrap_or(failure))
    }
}

fn odd(outcome: &impl std::fmt::Debug) -> Status {
    Status::internal(format!("odd answer of the controller: {outcome:?}"))
}

#[async_trait]
impl AdminService for AdminApi {
    async fn describe_broker(
        &self,
        request: Request<DescribeBrokerRequest>,
    ) -> Result<Response<DescribeBrokerReply>, Status> {
        only(&request, ALL)?;
        Ok(Response::new(self.broker()))
    }

    async fn describe_cluster(
        &self,
        request: Request<DescribeClusterRequest>,
    ) -> Result<Response<DescribeClusterReply>, Status> {
        only(&request, ALL)?;
        Ok(Response::new(self.cluster().await))
    }

    type WatchStream = BoxStream<'static, Result<Event, Status>>;

    async fn watch(
        &self,
        request: Request<WatchRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        only(&request, ALL)?;
        let events = events::watch(&self.state.quorum, Arc::clone(&self.state.clock));
        Ok(Response::new(Box::pin(events)))
    }

    async fn acquire_permit(
        &self,
        request: Request<AcquirePermitRequest>,
    ) -> Result<Response<AcquirePermitReply>, Status> {
        only(
            &request,
            if request.get_ref().force {
                PEOPLE
            } else {
                RULERS
            },
        )?;
        self.acquire(request.into_inner()).await.map(Response::new)
    }

    async fn end_permit(
        &self,
        request: Request<EndPermitRequest>,
    ) -> Result<Response<EndPermitReply>, Status> {
        only(
            &request,
            if request.get_ref().force {
                PEOPLE
            } else {
                RULERS
            },
        )?;
        self.end(request.into_inner()).await.map(Response::new)
    }

    async fn admit_disk(
        &self,
        request: Request<AdmitDiskRequest>,
    ) -> Result<Response<AdmitDiskReply>, Status> {
        only(
            &request,
            if request.get_ref().replace || request.get_ref().vote {
                PEOPLE
            } else {
                RULERS
            },
        )?;
        self.admit(request.into_inner()).await.map(Response::new)
    }

    async fn change_settings(
        &self,
        request: Request<ChangeSettingsRequest>,
    ) -> Result<Response<ChangeSettingsReply>, Status> {
        only(&request, RULERS)?;
        self.change(request.into_inner()).await.map(Response::new)
    }

    async fn raise_feature_level(
        &self,
        request: Request<RaiseFeatureLevelRequest>,
    ) -> Result<Response<RaiseFeatureLevelReply>, Status> {
        only(&request, RULERS)?;
        self.raise(request.into_inner().level)
            .await
            .map(Response::new)
    }

    async fn list_client_habits(
        &self,
        request: Request<ListClientHabitsRequest>,
    ) -> Result<Response<ListClientHabitsReply>, Status> {
        only(&request, ALL)?;
        Ok(Response::new(self.habits()))
    }

    async fn describe_topic(
        &self,
        request: Request<DescribeTopicRequest>,
    ) -> Result<Response<DescribeTopicReply>, Status> {
        only(&request, ALL)?;
        let topic = self.topic(&request.get_ref().name)?;
        Ok(Response::new(DescribeTopicReply { topic: Some(topic) }))
    }

    async fn ensure_topic(
        &self,
        request: Request<EnsureTopicRequest>,
    ) -> Result<Response<EnsureTopicReply>, Status> {
        only(&request, RULERS)?;
        self.ensure(request.into_inner()).await.map(Response::new)
    }

    async fn delete_topic(
        &self,
        request: Request<DeleteTopicRequest>,
    ) -> Result<Response<DeleteTopicReply>, Status> {
        only(&request, RULERS)?;
        self.delete(request.into_inner().name)
            .await
            .map(Response::new)
    }
}
