//! What the operator takes from outside, beside the API server and the time: the way to brokers, and
//! chance. The process has the real ones; the simulator brings its own, and runs all else as it is.

mod network;

use std::fmt::Debug;
use std::sync::Arc;

use futures::future::BoxFuture;
use holdfast_model::ClusterId;
use holdfast_rpc::proto::admin::{
    AcquirePermitReply, AcquirePermitRequest, AdmitDiskReply, AdmitDiskRequest,
    ChangeSettingsReply, ChangeSettingsRequest, DeleteTopicReply, DeleteTopicRequest,
    DescribeBrokerReply, DescribeClusterReply, EndPermitReply, EndPermitRequest, EnsureTopicReply,
    EnsureTopicRequest, RaiseFeatureLevelReply, RaiseFeatureLevelRequest,
};
use holdfast_security::Tls;

pub(crate) use network::Network;

/// What is outside.
pub trait Outside: Send + Sync + Debug {
    /// The broker at an address, where no other broker is trusted. Nothing is sent yet.
    ///
    /// # Errors
    /// The address cannot be used.
    fn broker(
        &self,
        tls: &Tls,
        cluster: ClusterId,
        broker: i32,
        host: &str,
    ) -> Result<Arc<dyn BrokerApi>, holdfast_rpc::Error>;

    /// The id that a new cluster gets: never the same twice.
    fn fresh_cluster_id(&self) -> ClusterId;
}

/// A broker's answer, when it comes: within a deadline, or as an error.
pub type Answer<T> = BoxFuture<'static, Result<T, holdfast_rpc::Error>>;

/// What the operator asks of one broker over its admin API.
pub trait BrokerApi: Send + Sync + Debug {
    /// What its process says of itself.
    fn describe_broker(&self) -> Answer<DescribeBrokerReply>;
    /// The state of its cluster.
    fn describe_cluster(&self) -> Answer<DescribeClusterReply>;
    /// Whether brokers may be stopped.
    fn acquire_permit(&self, wish: AcquirePermitRequest) -> Answer<AcquirePermitReply>;
    /// Gives a permit back.
    fn end_permit(&self, wish: EndPermitRequest) -> Answer<EndPermitReply>;
    /// Lets a disk in.
    fn admit_disk(&self, wish: AdmitDiskRequest) -> Answer<AdmitDiskReply>;
    /// Changes settings of all brokers.
    fn change_settings(&self, wish: ChangeSettingsRequest) -> Answer<ChangeSettingsReply>;
    /// Allows the formats of a newer version.
    fn raise_feature_level(&self, wish: RaiseFeatureLevelRequest)
    -> Answer<RaiseFeatureLevelReply>;
    /// Makes a topic, or brings it to what is asked for.
    fn ensure_topic(&self, wish: EnsureTopicRequest) -> Answer<EnsureTopicReply>;
    /// Deletes a topic.
    fn delete_topic(&self, wish: DeleteTopicRequest) -> Answer<DeleteTopicReply>;
}
