//! One file for each API: what a request means here.

pub mod alter_configs;
pub mod api_versions;
pub mod client_quotas;
mod config_change;
pub mod create_partitions;
pub mod create_topics;
pub mod delete_records;
pub mod delete_topics;
pub mod describe_cluster;
pub mod describe_configs;
pub mod describe_log_dirs;
pub mod describe_producers;
pub mod describe_quorum;
pub mod describe_topic_partitions;
pub mod elect_leaders;
pub mod elsewhere;
mod failure;
pub mod fetch;
pub mod find_coordinator;
pub mod groups;
pub mod incremental_alter_configs;
pub mod init_producer_id;
pub mod list_config_resources;
pub mod list_offsets;
mod locate;
pub mod metadata;
pub mod offset_for_leader_epoch;
pub mod produce;
mod repeated;
mod resource_kind;
#[cfg(test)]
mod served;
pub mod telemetry;
#[cfg(test)]
pub(crate) mod testing;
mod text;
pub mod update_features;
mod wait;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use holdfast_model::Clock;
use holdfast_wire::messages::{ListPartitionReassignmentsResponse, RequestKind, ResponseKind};

use crate::habits::Client;
use crate::state::BrokerState;

/// Who asks, and how: every handler gets it.
#[derive(Clone, Debug)]
pub struct RequestContext {
    /// The listener on which the request came; every answer that names a broker uses it.
    pub listener: Arc<str>,
    /// The authenticated name; everybody is anonymous until security lands.
    pub principal: Arc<str>,
    /// Where the client is.
    pub peer: SocketAddr,
    /// The connection: a greater number than that of each accepted before it.
    pub connection: u64,
    /// How the client calls itself.
    pub client_id: Option<Arc<str>>,
    /// Batches refused on this connection whose followers must wait for them.
    pub holes: Arc<produce::Holes>,
    /// What was said on this connection while this broker heard from nobody.
    pub told_of_nobody: Arc<elsewhere::ToldOfNobody>,
}

/// The name of the cluster as a resource, Kafka's own.
pub const CLUSTER: &str = "kafka-cluster";

/// What a principal wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Read records.
    Read,
    /// Write records.
    Write,
    /// Create topics or partitions.
    Create,
    /// Delete topics or records.
    Delete,
    /// Change settings.
    Alter,
    /// See that something exists.
    Describe,
}

impl RequestContext {
    /// The context of a new connection.
    pub fn new(listener: Arc<str>, peer: SocketAddr) -> Self {
        static ACCEPTED: AtomicU64 = AtomicU64::new(1);
        Self {
            listener,
            principal: Arc::from("User:ANONYMOUS"),
            peer,
            connection: ACCEPTED.fetch_add(1, Ordering::Relaxed),
            client_id: None,
            holes: Arc::default(),
            told_of_nobody: Arc::default(),
        }
    }

    /// The context of one request.
    #[must_use]
    pub fn of_request(&self, client_id: Option<&str>) -> Self {
        Self {
            client_id: client_id.map(Arc::from),
            ..self.clone()
        }
    }

    /// The client, at this moment.
    pub(crate) fn client_now(&self, clock: &dyn Clock) -> Client<'_> {
        Client {
            name: self.client_id.as_deref().unwrap_or(""),
            address: self.peer.ip(),
            at: clock.monotonic(),
            at_ms: clock.wall_ms(),
        }
    }

    /// Whether the principal may do something to a resource (a topic's name, or the cluster). The
    /// one place that decides; it allows everything until security lands.
    pub fn authorize(&self, operation: Operation, resource: &str) -> bool {
        tracing::trace!(
            principal = &*self.principal,
            ?operation,
            resource,
            "allowed"
        );
        true
    }
}

/// Serves every API but Produce and Fetch.
///
/// # Errors
/// The API is not served: the connection ends.
pub async fn dispatch(
    broker: &Arc<BrokerState>,
    context: &RequestContext,
    version: i16,
    request: RequestKind,
) -> Result<ResponseKind, String> {
    Ok(match request {
        RequestKind::ApiVersions(request) => {
            ResponseKind::ApiVersions(api_versions::handle(broker, version, &request))
        }
        RequestKind::Metadata(request) => {
            ResponseKind::Metadata(metadata::handle(broker, context, version, request).await)
        }
        RequestKind::ListOffsets(request) => {
            ResponseKind::ListOffsets(list_offsets::handle(broker, context, version, request).await)
        }
        RequestKind::OffsetForLeaderEpoch(request) => ResponseKind::OffsetForLeaderEpoch(
            offset_for_leader_epoch::handle(broker, context, request),
        ),
        RequestKind::FindCoordinator(request) => ResponseKind::FindCoordinator(
            find_coordinator::handle(broker, context, version, request).await,
        ),
        RequestKind::InitProducerId(request) => {
            ResponseKind::InitProducerId(init_producer_id::handle(broker, context, request).await)
        }
        RequestKind::DeleteRecords(request) => {
            ResponseKind::DeleteRecords(delete_records::handle(broker, context, request).await)
        }
        other => match groups::dispatch(broker, context, version, other).await {
            Ok(answer) => answer,
            Err(other) => return administer(broker, context, version, other).await,
        },
    })
}

/// Serves the APIs that show and change the cluster.
async fn administer(
    broker: &Arc<BrokerState>,
    context: &RequestContext,
    version: i16,
    request: RequestKind,
) -> Result<ResponseKind, String> {
    Ok(match request {
        RequestKind::CreateTopics(request) => ResponseKind::CreateTopics(
            create_topics::handle(broker, context, version, request).await,
        ),
        RequestKind::DeleteTopics(request) => ResponseKind::DeleteTopics(
            delete_topics::handle(broker, context, version, request).await,
        ),
        RequestKind::CreatePartitions(request) => ResponseKind::CreatePartitions(
            create_partitions::handle(broker, context, request).await,
        ),
        RequestKind::ElectLeaders(request) => {
            ResponseKind::ElectLeaders(elect_leaders::handle(broker, context, request).await)
        }
        RequestKind::UpdateFeatures(request) => ResponseKind::UpdateFeatures(
            update_features::handle(broker, context, version, request).await,
        ),
        RequestKind::AlterClientQuotas(request) => ResponseKind::AlterClientQuotas(
            client_quotas::alter::handle(broker, context, request).await,
        ),
        RequestKind::DescribeConfigs(request) => {
            ResponseKind::DescribeConfigs(describe_configs::handle(broker, context, request))
        }
        RequestKind::AlterConfigs(request) => {
            ResponseKind::AlterConfigs(alter_configs::handle(broker, context, request).await)
        }
        RequestKind::IncrementalAlterConfigs(request) => ResponseKind::IncrementalAlterConfigs(
            incremental_alter_configs::handle(broker, context, request).await,
        ),
        RequestKind::DescribeQuorum(request) => ResponseKind::DescribeQuorum(
            describe_quorum::handle(broker, context, version, &request).await,
        ),
        RequestKind::DescribeCluster(request) => ResponseKind::DescribeCluster(
            describe_cluster::handle(broker, context, version, &request),
        ),
        RequestKind::DescribeTopicPartitions(request) => ResponseKind::DescribeTopicPartitions(
            describe_topic_partitions::handle(broker, context, &request),
        ),
        other => return show(broker, context, version, other),
    })
}

/// Serves the APIs that show what this broker knows, and wait for nobody.
fn show(
    broker: &Arc<BrokerState>,
    context: &RequestContext,
    version: i16,
    request: RequestKind,
) -> Result<ResponseKind, String> {
    Ok(match request {
        RequestKind::DescribeLogDirs(request) => ResponseKind::DescribeLogDirs(
            describe_log_dirs::handle(broker, context, version, &request),
        ),
        RequestKind::DescribeProducers(request) => {
            ResponseKind::DescribeProducers(describe_producers::handle(broker, context, request))
        }
        RequestKind::DescribeClientQuotas(request) => ResponseKind::DescribeClientQuotas(
            client_quotas::describe::handle(broker, context, &request),
        ),
        RequestKind::GetTelemetrySubscriptions(request) => {
            ResponseKind::GetTelemetrySubscriptions(telemetry::subscriptions(broker, &request))
        }
        RequestKind::PushTelemetry(request) => {
            ResponseKind::PushTelemetry(telemetry::push(broker, context, request))
        }
        RequestKind::ListConfigResources(request) => ResponseKind::ListConfigResources(
            list_config_resources::handle(broker, context, version, &request),
        ),
        // Replicas are not moved yet, so none is being moved.
        RequestKind::ListPartitionReassignments(_) => ResponseKind::ListPartitionReassignments(
            ListPartitionReassignmentsResponse::default().with_error_message(None),
        ),
        _ => return Err("this API is not served".to_owned()),
    })
}
