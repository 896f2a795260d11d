//! DescribeQuorum: the members of the metadata quorum and how far each is.

use std::sync::Arc;

use holdfast_kernel::image::ClusterImage;
use holdfast_model::{BrokerId, ErrorCode};
use holdfast_quorum::{MemberStatus, Status};
use holdfast_wire::messages::describe_quorum_request::TopicData as AskedTopic;
use holdfast_wire::messages::describe_quorum_response::{
    Listener, Node, PartitionData, ReplicaState, TopicData,
};
use holdfast_wire::messages::{self, DescribeQuorumRequest, DescribeQuorumResponse};
use uuid::Uuid;

use super::text::text;
use super::{CLUSTER, Operation, RequestContext};
use crate::state::BrokerState;

/// The name under which Kafka's clients know the metadata log; it has one partition.
const METADATA_TOPIC: &str = "__cluster_metadata";

/// The first versions with times, and with disks and endpoints.
const TIMES_FROM: i16 = 1;
const NODES_FROM: i16 = 2;

/// What only the leader of the quorum knows is -1 elsewhere.
const UNKNOWN: i64 = -1;

/// Answers with what the leader of the quorum knows, or if it cannot be asked, with what is known
/// here.
pub async fn handle(
    broker: &Arc<BrokerState>,
    context: &RequestContext,
    version: i16,
    request: &DescribeQuorumRequest,
) -> DescribeQuorumResponse {
    if !context.authorize(Operation::Describe, CLUSTER) {
        return DescribeQuorumResponse::default()
            .with_error_code(ErrorCode::ClusterAuthorizationFailed.code());
    }
    let status = match broker.controller.describe_quorum().await {
        Ok(status) => status,
        Err(error) => {
            tracing::debug!(%error, "the leader of the quorum says nothing");
            broker.quorum.status()
        }
    };
    describe(
        &status,
        &broker.image(),
        &context.listener,
        version,
        request,
    )
}

fn describe(
    status: &Status,
    image: &ClusterImage,
    listener: &str,
    version: i16,
    request: &DescribeQuorumRequest,
) -> DescribeQuorumResponse {
    let asks_for_the_log = matches!(request.topics.as_slice(), [topic]
        if &*topic.topic_name.0 == METADATA_TOPIC
            && matches!(topic.partitions.as_slice(), [partition] if partition.partition_index == 0));
    if !asks_for_the_log {
        let topics = request.topics.iter();
        let topics = topics.map(|topic| unknown(topic, version)).collect();
        return DescribeQuorumResponse::default().with_topics(topics);
    }
    let leader = status.leader.map_or(-1, |leader| leader.broker.0);
    let states = |members: &[MemberStatus]| {
        members
            .iter()
            .map(|member| state(member, version))
            .collect::<Vec<_>>()
    };
    let partition = PartitionData::default()
        .with_leader_id(messages::BrokerId(leader))
        .with_leader_epoch(i32::try_from(status.term).unwrap_or(i32::MAX))
        .with_high_watermark(offset(status.high_watermark))
        .with_current_voters(states(&status.voters))
        .with_observers(states(&status.learners));
    let topic = TopicData::default()
        .with_topic_name(messages::TopicName(text(METADATA_TOPIC)))
        .with_partitions(vec![partition]);
    let answer = DescribeQuorumResponse::default().with_topics(vec![topic]);
    if version < NODES_FROM {
        return answer;
    }
    let ids = status.voters.iter().map(|voter| voter.replica.broker);
    answer.with_nodes(ids.filter_map(|id| node(image, id, listener)).collect())
}

fn unknown(topic: &AskedTopic, version: i16) -> TopicData {
    let message = (version >= NODES_FROM).then(|| text("It is not the log of metadata."));
    let code = ErrorCode::UnknownTopicOrPartition.code();
    let partitions = topic.partitions.iter().map(|partition| {
        PartitionData::default()
            .with_partition_index(partition.partition_index)
            .with_error_code(code)
            .with_error_message(message.clone())
    });
    TopicData::default()
        .with_topic_name(topic.topic_name.clone())
        .with_partitions(partitions.collect())
}

fn state(member: &MemberStatus, version: i16) -> ReplicaState {
    let mut state = ReplicaState::default()
        .with_replica_id(messages::BrokerId(member.replica.broker.0))
        .with_log_end_offset(member.log_end.map_or(UNKNOWN, offset));
    if version >= TIMES_FROM {
        state.last_fetch_timestamp = member.last_answer_ms.unwrap_or(UNKNOWN);
        state.last_caught_up_timestamp = member.last_caught_up_ms.unwrap_or(UNKNOWN);
    }
    if version >= NODES_FROM {
        // The life of the disk is what Kafka's directory id stands for.
        state.replica_directory_id = Uuid::from_u64_pair(0, member.replica.incarnation.0);
    }
    state
}

fn node(image: &ClusterImage, id: BrokerId, listener: &str) -> Option<Node> {
    let endpoint = image.brokers.get(&id)?.endpoint(listener)?;
    let listener = Listener::default()
        .with_name(text(listener))
        .with_host(text(&endpoint.host))
        .with_port(endpoint.port);
    Some(
        Node::default()
            .with_node_id(messages::BrokerId(id.0))
            .with_listeners(vec![listener]),
    )
}

fn offset(index: u64) -> i64 {
    i64::try_from(index).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use holdfast_model::{Incarnation, ReplicaId};
    use holdfast_quorum::Peer;
    use holdfast_wire::messages::describe_quorum_request::PartitionData as AskedPartition;
    use holdfast_wire::{Api, response};

    use super::super::testing::image;
    use super::super::text::topic_name;
    use super::*;

    fn replica(id: i32) -> ReplicaId {
        ReplicaId {
            broker: BrokerId(id),
            incarnation: Incarnation(id as u64 + 1),
        }
    }

    fn status() -> Status {
        let member = |id: i32, log_end, caught_up| MemberStatus {
            replica: replica(id),
            peer: Peer::default(),
            log_end,
            last_answer_ms: caught_up,
            last_caught_up_ms: caught_up,
        };
        Status {
            term: 5,
            leader: Some(replica(1)),
            high_watermark: 9,
            log_start: 0,
            log_end: 10,
            voters: vec![
                member(0, Some(9), Some(1000)),
                member(1, Some(10), Some(2000)),
            ],
            learners: vec![member(2, None, None)],
        }
    }

    fn ask(name: &str, partition: i32, version: i16) -> DescribeQuorumResponse {
        let partition = AskedPartition::default().with_partition_index(partition);
        let topic = AskedTopic::default()
            .with_topic_name(topic_name(name))
            .with_partitions(vec![partition]);
        let request = DescribeQuorumRequest::default().with_topics(vec![topic]);
        let answer = describe(&status(), &image(), "CLIENT", version, &request);
        response::encode_message(1, Api::DescribeQuorum, version, &answer).unwrap();
        answer
    }

    #[test]
    fn the_log_is_described_in_every_version() {
        for version in Api::DescribeQuorum.served() {
            let answer = ask(METADATA_TOPIC, 0, version);
            let row = &answer.topics[0].partitions[0];
            assert_eq!(
                (row.leader_id.0, row.leader_epoch, row.high_watermark),
                (1, 5, 9)
            );
            assert_eq!((row.current_voters.len(), row.observers.len()), (2, 1));
            assert_eq!(row.observers[0].log_end_offset, UNKNOWN);
            let voter = &row.current_voters[0];
            let time = if version >= TIMES_FROM { 1000 } else { UNKNOWN };
            assert_eq!(voter.last_caught_up_timestamp, time);
            assert_eq!(
                answer.nodes.len(),
                if version >= NODES_FROM { 2 } else { 0 }
            );
        }
        let nodes = ask(METADATA_TOPIC, 0, 2).nodes;
        assert_eq!(
            (&*nodes[0].listeners[0].host, nodes[0].listeners[0].port),
            ("host-0", 9092)
        );
    }

    #[test]
    fn nothing_else_has_a_quorum() {
        for (name, partition) in [("other", 0), (METADATA_TOPIC, 1)] {
            let answer = ask(name, partition, 2);
            let code = answer.topics[0].partitions[0].error_code;
            assert_eq!(code, ErrorCode::UnknownTopicOrPartition.code());
        }
    }
}
