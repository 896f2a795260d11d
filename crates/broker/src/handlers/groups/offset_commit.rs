//! OffsetCommit: a group has read so far. Answered once that is synced on every in-sync replica.

use std::sync::Arc;

use holdfast_kernel::group::{CommitRequest, CommittedOffset, OffsetRow};
use holdfast_kernel::image::ClusterImage;
use holdfast_model::{ErrorCode, TopicId};
use holdfast_wire::messages::offset_commit_request::OffsetCommitRequestTopic;
use holdfast_wire::messages::offset_commit_response::{
    OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use holdfast_wire::messages::{OffsetCommitRequest, OffsetCommitResponse};

use super::super::{Operation, RequestContext};
use super::{desk, optional_shared, shared};
use crate::state::BrokerState;

/// From this version on a client knows what it means that a group does not exist.
const MISSING_GROUPS_FROM: i16 = 9;

/// Up to this version a client may say when its offsets expire.
const RETENTION_UP_TO: i16 = 4;

/// Commits what can be committed; the rest is told why not.
pub async fn handle(
    broker: &Arc<BrokerState>,
    context: &RequestContext,
    version: i16,
    request: OffsetCommitRequest,
) -> OffsetCommitResponse {
    let now_ms = broker.clock.wall_ms();
    let retention = (version <= RETENTION_UP_TO && request.retention_time_ms >= 0)
        .then(|| now_ms.saturating_add(request.retention_time_ms));
    let judge = Judge {
        image: &broker.image(),
        context,
        longest_note: broker.config.groups.offset_metadata_max_bytes,
        now_ms,
        expires_ms: retention,
    };
    let judged: Vec<Vec<Result<OffsetRow, ErrorCode>>> = request
        .topics
        .iter()
        .map(|topic| judge.topic(topic))
        .collect();
    let rows = judged.iter().flatten().flatten().cloned().collect();
    if request.generation_id_or_member_epoch >= 0 {
        let client = context.client_now(&*broker.clock);
        broker.habits.committed(client, &request.group_id);
    }
    let code = commit(broker, context, version, &request, rows).await;
    let code = code.unwrap_or_else(|code| code);
    let topics = request.topics.into_iter().zip(judged);
    let topics = topics.map(|(topic, judged)| answer(topic, &judged, code));
    OffsetCommitResponse::default().with_topics(topics.collect())
}

/// What decides whether an offset may be committed, group and member aside.
struct Judge<'a> {
    image: &'a ClusterImage,
    context: &'a RequestContext,
    longest_note: usize,
    now_ms: i64,
    expires_ms: Option<i64>,
}

impl Judge<'_> {
    fn topic(&self, topic: &OffsetCommitRequestTopic) -> Vec<Result<OffsetRow, ErrorCode>> {
        let known = self.image.topic_by_name(&topic.name);
        let allowed = self.context.authorize(Operation::Read, &topic.name);
        let name: Arc<str> = Arc::from(topic.name.as_str());
        let rows = topic.partitions.iter().map(|asked| {
            if !allowed {
                return Err(ErrorCode::TopicAuthorizationFailed);
            }
            let index = asked.partition_index;
            let exists = usize::try_from(index).ok().and_then(|index| {
                let topic = known?;
                topic.partitions.get(index).map(|_| topic.id)
            });
            let topic_id: TopicId = exists.ok_or(ErrorCode::UnknownTopicOrPartition)?;
            let note = asked.committed_metadata.as_deref().unwrap_or("");
            if note.len() > self.longest_note {
                return Err(ErrorCode::OffsetMetadataTooLarge);
            }
            let value = CommittedOffset {
                offset: asked.committed_offset,
                leader_epoch: asked.committed_leader_epoch,
                metadata: Arc::from(note),
                committed_ms: self.now_ms,
                expires_ms: self.expires_ms,
                topic_id,
            };
            Ok(OffsetRow {
                topic: Arc::clone(&name),
                partition: index,
                value: Some(value),
            })
        });
        rows.collect()
    }
}

async fn commit(
    broker: &Arc<BrokerState>,
    context: &RequestContext,
    version: i16,
    request: &OffsetCommitRequest,
    rows: Vec<OffsetRow>,
) -> Result<ErrorCode, ErrorCode> {
    let desk = desk(broker, context, Operation::Read, &request.group_id)?;
    let commit = CommitRequest {
        group: shared(&request.group_id),
        member: shared(&request.member_id),
        instance: optional_shared(request.group_instance_id.as_ref()),
        generation: request.generation_id_or_member_epoch,
        knows_missing_groups: version >= MISSING_GROUPS_FROM,
        rows,
    };
    let act = move |turn: &mut crate::coordinator::Turn<'_>, ticket| {
        turn.shard.commit(turn.now, ticket, commit, turn.effects);
    };
    Ok(desk.done(act).await)
}

fn answer(
    topic: OffsetCommitRequestTopic,
    judged: &[Result<OffsetRow, ErrorCode>],
    code: ErrorCode,
) -> OffsetCommitResponseTopic {
    let partitions = topic.partitions.iter().zip(judged).map(|(asked, judged)| {
        let code = judged.as_ref().map_or_else(|refused| *refused, |_| code);
        OffsetCommitResponsePartition::default()
            .with_partition_index(asked.partition_index)
            .with_error_code(code.code())
    });
    let partitions = partitions.collect();
    OffsetCommitResponseTopic::default()
        .with_name(topic.name)
        .with_partitions(partitions)
}

#[cfg(test)]
mod tests {
    use holdfast_wire::StrBytes;
    use holdfast_wire::messages::offset_commit_request::OffsetCommitRequestPartition;

    use super::super::super::testing::{self, context};
    use super::super::super::text::topic_name;
    use super::*;

    #[test]
    fn each_partition_is_judged_by_itself() {
        let mut image = testing::image();
        testing::put_topic(&mut image, 7, "orders", 2);
        let context = context();
        let judge = Judge {
            image: &image,
            context: &context,
            longest_note: 4,
            now_ms: 9,
            expires_ms: None,
        };
        let asked = |partition, note: &'static str| {
            OffsetCommitRequestPartition::default()
                .with_partition_index(partition)
                .with_committed_offset(5)
                .with_committed_metadata(Some(StrBytes::from_static_str(note)))
        };
        let topic = |name: &str| {
            OffsetCommitRequestTopic::default()
                .with_name(topic_name(name))
                .with_partitions(vec![
                    asked(1, "note"),
                    asked(1, "notes"),
                    asked(2, ""),
                    asked(-1, ""),
                ])
        };
        let codes = |name: &str| -> Vec<Result<i64, ErrorCode>> {
            let judged = judge.topic(&topic(name)).into_iter();
            let offset = |row: OffsetRow| row.value.map_or(-1, |value| value.offset);
            judged.map(|row| row.map(offset)).collect()
        };
        let unknown = Err(ErrorCode::UnknownTopicOrPartition);
        assert_eq!(
            codes("orders"),
            [
                Ok(5),
                Err(ErrorCode::OffsetMetadataTooLarge),
                unknown,
                unknown
            ]
        );
        assert_eq!(codes("nothing"), [unknown; 4]);
    }
}
