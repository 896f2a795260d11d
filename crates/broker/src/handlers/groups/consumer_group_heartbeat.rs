//! ConsumerGroupHeartbeat: members of the consumer protocol join, live, leave, and are told what to
//! read.

use std::collections::BTreeSet;
use std::sync::Arc;

use holdfast_kernel::group::{Answer, HeartbeatAnswer, HeartbeatRequest, MemberId, Partitions};
use holdfast_kernel::image::CONSUMER_PROTOCOL_LEVEL;
use holdfast_model::{ErrorCode, TopicId};
use holdfast_wire::messages::consumer_group_heartbeat_response::{Assignment, TopicPartitions};
use holdfast_wire::messages::{ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse};
use holdfast_wire::{StrBytes, messages};
use uuid::Uuid;

use super::super::RequestContext;
use super::super::text::text;
use super::{LONGEST_TEXT, desk_of_members, optional_shared, shared};
use crate::state::BrokerState;

/// From this version on members give themselves their ids.
const OWN_ID_FROM: i16 = 1;

/// Answers once what the answer says is committed.
pub async fn handle(
    broker: &Arc<BrokerState>,
    context: &RequestContext,
    version: i16,
    request: ConsumerGroupHeartbeatRequest,
) -> ConsumerGroupHeartbeatResponse {
    let interval = broker.config.groups.consumer_heartbeat_interval_ms;
    let interval = i32::try_from(interval).unwrap_or(i32::MAX);
    match beat(broker, context, version, request).await {
        Ok(answer) => render(answer, interval),
        Err((code, message)) => ConsumerGroupHeartbeatResponse::default()
            .with_error_code(code.code())
            .with_error_message(message.map(text)),
    }
}

type Refused = (ErrorCode, Option<&'static str>);

async fn beat(
    broker: &Arc<BrokerState>,
    context: &RequestContext,
    version: i16,
    request: ConsumerGroupHeartbeatRequest,
) -> Result<HeartbeatAnswer, Refused> {
    let invalid = |message| Err((ErrorCode::InvalidRequest, Some(message)));
    if request.group_id.is_empty() {
        return invalid("GroupId can't be empty.");
    }
    let member: MemberId = if request.member_id.is_empty() {
        if version >= OWN_ID_FROM || request.member_epoch != 0 {
            return invalid("MemberId can't be empty.");
        }
        Arc::from(Uuid::new_v4().to_string())
    } else {
        shared(&request.member_id)
    };
    if !fits(&request) {
        return invalid("A text of the request is longer than the format of records allows.");
    }
    let image = broker.image();
    if image.feature_level < CONSUMER_PROTOCOL_LEVEL {
        let message = "The cluster's feature level is below 2, from which on there are groups of this protocol.";
        return Err((ErrorCode::UnsupportedVersion, Some(message)));
    }
    let desk = desk_of_members(broker, context, &request.group_id).map_err(|code| (code, None))?;
    let group = shared(&request.group_id);
    let beat = HeartbeatRequest {
        member,
        epoch: request.member_epoch,
        instance: optional_shared(request.instance_id.as_ref()),
        rack: optional_shared(request.rack_id.as_ref()),
        rebalance_timeout_ms: Some(request.rebalance_timeout_ms).filter(|ms| *ms != -1),
        topics: request
            .subscribed_topic_names
            .map(|names| names.iter().map(|name| shared(&name.0)).collect()),
        regex: optional_shared(request.subscribed_topic_regex.as_ref()),
        assignor: optional_shared(request.server_assignor.as_ref()),
        owned: request.topic_partitions.map(owned),
        client_id: Arc::from(context.client_id.as_deref().unwrap_or("")),
        client_host: Arc::from(format!("/{}", context.peer.ip())),
        connection: context.connection,
    };
    let answer = desk
        .wait(move |turn, ticket| {
            turn.shard
                .consumer_heartbeat(turn.now, &group, ticket, &beat, &*image, turn.effects);
        })
        .await;
    match answer {
        Ok(Answer::Heartbeat(answer)) => Ok(answer),
        Ok(Answer::Done(_) | Answer::Join(_) | Answer::Sync(_)) => {
            Err((ErrorCode::UnknownServerError, None))
        }
        Err(code) => Err((code, None)),
    }
}

/// Whether what is kept of a member fits its record's key, and is of a decent size.
fn fits(request: &ConsumerGroupHeartbeatRequest) -> bool {
    let optional = |text: &Option<StrBytes>| text.as_ref().is_none_or(short);
    short(&request.member_id)
        && optional(&request.instance_id)
        && optional(&request.rack_id)
        && optional(&request.subscribed_topic_regex)
        && optional(&request.server_assignor)
}

fn short(text: &StrBytes) -> bool {
    text.len() <= LONGEST_TEXT
}

fn owned(topics: Vec<messages::consumer_group_heartbeat_request::TopicPartitions>) -> Partitions {
    let mut owned = Partitions::new();
    for topic in topics {
        if topic.partitions.is_empty() {
            continue;
        }
        let set: &mut BTreeSet<i32> = owned.entry(TopicId(topic.topic_id)).or_default();
        set.extend(topic.partitions);
    }
    owned
}

fn render(answer: HeartbeatAnswer, interval: i32) -> ConsumerGroupHeartbeatResponse {
    let message = answer.message.as_deref().map(text);
    if answer.code != ErrorCode::None {
        return ConsumerGroupHeartbeatResponse::default()
            .with_error_code(answer.code.code())
            .with_error_message(message);
    }
    let assignment = answer.assignment.map(|partitions| {
        let topics = partitions.into_iter().map(|(topic, set)| {
            TopicPartitions::default()
                .with_topic_id(topic.0)
                .with_partitions(set.into_iter().collect())
        });
        Assignment::default().with_topic_partitions(topics.collect())
    });
    ConsumerGroupHeartbeatResponse::default()
        .with_member_id(Some(text(&*answer.member)))
        .with_member_epoch(answer.epoch)
        .with_heartbeat_interval_ms(interval)
        .with_assignment(assignment)
}

#[cfg(test)]
mod tests {
    use holdfast_wire::{Api, response};

    use super::*;

    #[test]
    fn answers_fit_every_version() {
        let answer = HeartbeatAnswer {
            code: ErrorCode::None,
            message: None,
            member: Arc::from("m"),
            epoch: 3,
            assignment: Some(Partitions::from([(
                TopicId(Uuid::from_u128(1)),
                BTreeSet::from([0, 2]),
            )])),
        };
        for version in Api::ConsumerGroupHeartbeat.served() {
            let rendered = render(answer.clone(), 5_000);
            response::encode_message(1, Api::ConsumerGroupHeartbeat, version, &rendered).unwrap();
            let assignment = rendered.assignment.unwrap();
            assert_eq!(assignment.topic_partitions[0].partitions, [0, 2]);
        }
    }
}
