//! The state of the cluster and of its metadata quorum.

use holdfast_wire::messages::describe_quorum_request::{PartitionData, TopicData};
use holdfast_wire::messages::describe_quorum_response::ReplicaState;
use holdfast_wire::messages::{
    DescribeClusterRequest, DescribeQuorumRequest, DescribeQuorumResponse,
};

use super::{Admin, single, topic_name};
use crate::Error;

/// The name under which Kafka's clients know the metadata log.
const METADATA_TOPIC: &str = "__cluster_metadata";

/// The cluster as its brokers know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterDescription {
    /// The cluster's identity.
    pub cluster_id: String,
    /// The controller's number; -1 for none.
    pub controller: i32,
    /// The brokers, fenced ones included where the cluster tells them.
    pub brokers: Vec<DescribedBroker>,
}

/// A broker as the cluster knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribedBroker {
    /// Its number.
    pub id: i32,
    /// Its host, on the listener that was asked.
    pub host: String,
    /// Its port.
    pub port: i32,
    /// Its zone.
    pub rack: Option<String>,
    /// Whether the controller has shut it out for now.
    pub fenced: bool,
}

/// The metadata quorum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuorumDescription {
    /// The leader's number; -1 for none.
    pub leader: i32,
    /// The leader's term.
    pub leader_epoch: i32,
    /// How far the log is committed.
    pub high_watermark: i64,
    /// Who votes.
    pub voters: Vec<QuorumReplica>,
    /// Who only follows.
    pub observers: Vec<QuorumReplica>,
}

/// A member of the metadata quorum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuorumReplica {
    /// Its number.
    pub id: i32,
    /// The life of its disk; 0 for unknown.
    pub incarnation: u64,
    /// The end of its log as the leader knows it; -1 for unknown.
    pub log_end: i64,
    /// When it last had everything, in milliseconds since 1970; -1 for unknown.
    pub caught_up_ms: i64,
}

impl Admin {
    /// The brokers and the controller.
    ///
    /// # Errors
    /// The cluster's answer.
    pub async fn describe_cluster(&self) -> Result<ClusterDescription, Error> {
        let what = "describe cluster";
        self.client
            .retry(|| async {
                let connection = self.client.any_broker().await?;
                let version = connection.version(holdfast_wire::Api::DescribeCluster)?;
                // Version 2 is the first that can carry the wish.
                let body =
                    DescribeClusterRequest::default().with_include_fenced_brokers(version >= 2);
                let answer = connection.call(&body).await?;
                let detail = answer.error_message.as_deref();
                Error::check(answer.error_code, detail, || what.to_owned())?;
                let brokers = answer
                    .brokers
                    .into_iter()
                    .map(|b| DescribedBroker {
                        id: b.broker_id.0,
                        host: b.host.to_string(),
                        port: b.port,
                        rack: b.rack.map(|rack| rack.to_string()),
                        fenced: b.is_fenced,
                    })
                    .collect();
                Ok(ClusterDescription {
                    cluster_id: answer.cluster_id.to_string(),
                    controller: answer.controller_id.0,
                    brokers,
                })
            })
            .await
    }

    /// The members of the metadata quorum and how far each is, as the quorum's leader knows it;
    /// while there is no leader to be asked, as any broker does.
    ///
    /// # Errors
    /// The cluster's answer.
    pub async fn describe_quorum(&self) -> Result<QuorumDescription, Error> {
        let first = self
            .client
            .call_any(&quorum_question(), read_quorum)
            .await?;
        // Another broker knows who is in the quorum and not how far each is.
        let Ok(leader) = self.client.broker(first.leader).await else {
            return Ok(first);
        };
        let second = leader.call(&quorum_question()).await;
        Ok(second.and_then(read_quorum).unwrap_or(first))
    }
}

fn quorum_question() -> DescribeQuorumRequest {
    let topic = TopicData::default()
        .with_topic_name(topic_name(METADATA_TOPIC))
        .with_partitions(vec![PartitionData::default().with_partition_index(0)]);
    DescribeQuorumRequest::default().with_topics(vec![topic])
}

fn read_quorum(answer: DescribeQuorumResponse) -> Result<QuorumDescription, Error> {
    let what = "describe quorum";
    let detail = answer.error_message.as_deref();
    Error::check(answer.error_code, detail, || what.to_owned())?;
    let row = single(single(answer.topics, what)?.partitions, what)?;
    let detail = row.error_message.as_deref();
    Error::check(row.error_code, detail, || what.to_owned())?;
    Ok(QuorumDescription {
        leader: row.leader_id.0,
        leader_epoch: row.leader_epoch,
        high_watermark: row.high_watermark,
        voters: row.current_voters.iter().map(replica).collect(),
        observers: row.observers.iter().map(replica).collect(),
    })
}

fn replica(state: &ReplicaState) -> QuorumReplica {
    QuorumReplica {
        id: state.replica_id.0,
        incarnation: state.replica_directory_id.as_u64_pair().1,
        log_end: state.log_end_offset,
        caught_up_ms: state.last_caught_up_timestamp,
    }
}
