//! JoinGroup: somebody wants to be a member. The answer comes when the generation is complete.

use std::sync::Arc;
use std::time::Duration;

use holdfast_kernel::group::{Answer, JoinAnswer, JoinRequest, MemberId, Protocol};
use holdfast_model::ErrorCode;
use holdfast_wire::StrBytes;
use holdfast_wire::messages::join_group_response::JoinGroupResponseMember;
use holdfast_wire::messages::{JoinGroupRequest, JoinGroupResponse};
use uuid::Uuid;

use super::super::RequestContext;
use super::super::text::text;
use super::{LONGEST_TEXT, blob, desk_of_members, optional_shared, optional_text, shared};
use crate::coordinator::{Turn, topics_of};
use crate::state::BrokerState;

/// From this version on a member is first given an id, with which it joins (KIP-394).
const ID_FIRST_FROM: i16 = 4;

/// From this version on an answer without a protocol has none, rather than an empty one.
const NO_PROTOCOL_FROM: i16 = 7;

/// From this version on a leader understands that the assignment goes on (KIP-814).
const SKIPS_FROM: i16 = 9;

/// The first version has one time-out for both.
const REBALANCE_FROM: i16 = 1;

/// Has the member join, and answers when it has.
pub async fn handle(
    broker: &Arc<BrokerState>,
    context: &RequestContext,
    version: i16,
    request: JoinGroupRequest,
) -> JoinGroupResponse {
    let member = shared(&request.member_id);
    let answer = match join(broker, context, version, request).await {
        Ok(Answer::Join(answer)) => answer,
        Ok(Answer::Sync(_) | Answer::Done(_) | Answer::Heartbeat(_)) => {
            JoinAnswer::refused(ErrorCode::UnknownServerError, &member)
        }
        Err(code) => JoinAnswer::refused(code, &member),
    };
    render(version, &answer)
}

async fn join(
    broker: &Arc<BrokerState>,
    context: &RequestContext,
    version: i16,
    request: JoinGroupRequest,
) -> Result<Answer, ErrorCode> {
    let desk = desk_of_members(broker, context, &request.group_id)?;
    let group = shared(&request.group_id);
    let join = wish(context, version, request)?;
    let image = broker.image();
    let act = move |turn: &mut Turn<'_>, ticket| {
        let (now, shard) = (turn.now, &mut turn.shard);
        shard.join(now, &group, ticket, join, &*image, turn.effects);
    };
    desk.wait(act).await
}

fn wish(
    context: &RequestContext,
    version: i16,
    request: JoinGroupRequest,
) -> Result<JoinRequest, ErrorCode> {
    let texts = request
        .protocols
        .iter()
        .map(|protocol| protocol.name.len())
        .chain([request.protocol_type.len(), request.member_id.len()])
        .chain(request.group_instance_id.iter().map(|name| name.len()));
    if texts.max() > Some(LONGEST_TEXT) {
        return Err(ErrorCode::InvalidRequest);
    }
    let client_id = context.client_id.as_deref().unwrap_or("");
    let millis = |ms: i32| Duration::from_millis(u64::from(ms.max(0).unsigned_abs()));
    let session_timeout = millis(request.session_timeout_ms);
    let rebalance_timeout = if version < REBALANCE_FROM {
        session_timeout
    } else {
        millis(request.rebalance_timeout_ms)
    };
    let protocols = request.protocols.into_iter().map(|protocol| Protocol {
        name: shared(&protocol.name),
        topics: topics_of(&request.protocol_type, &protocol.metadata),
        metadata: Arc::from(&protocol.metadata[..]),
    });
    Ok(JoinRequest {
        member: Some(shared(&request.member_id)).filter(|id| !id.is_empty()),
        fresh: fresh_id(request.group_instance_id.as_ref(), client_id),
        instance: optional_shared(request.group_instance_id.as_ref()),
        protocol_type: shared(&request.protocol_type),
        protocols: protocols.collect(),
        session_timeout,
        rebalance_timeout,
        client_id: Arc::from(client_id),
        client_host: Arc::from(format!("/{}", context.peer.ip())),
        takes_id_first: version >= ID_FIRST_FROM,
        skips_assignment: version >= SKIPS_FROM,
    })
}

/// An id nobody has: the name that the member goes by, and something random.
fn fresh_id(instance: Option<&StrBytes>, client_id: &str) -> MemberId {
    let name = instance.map_or(client_id, |instance| instance);
    // Room for the random part, within what a record holds.
    let mut end = name.len().min(LONGEST_TEXT - 64);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    Arc::from(format!("{}-{}", &name[..end], Uuid::new_v4()))
}

fn render(version: i16, answer: &JoinAnswer) -> JoinGroupResponse {
    let protocol = optional_text(answer.protocol.as_ref());
    let members = answer.members.iter().map(|member| {
        JoinGroupResponseMember::default()
            .with_member_id(text(&*member.id))
            .with_group_instance_id(optional_text(member.instance.as_ref()))
            .with_metadata(blob(&member.metadata))
    });
    let response = JoinGroupResponse::default()
        .with_error_code(answer.code.code())
        .with_generation_id(answer.generation)
        .with_protocol_name(if version < NO_PROTOCOL_FROM {
            protocol.or_else(|| Some(StrBytes::default()))
        } else {
            protocol
        })
        .with_leader(text(&*answer.leader))
        .with_member_id(text(&*answer.member))
        .with_members(members.collect());
    let response = if version < NO_PROTOCOL_FROM {
        response
    } else {
        response.with_protocol_type(optional_text(answer.protocol_type.as_ref()))
    };
    if version < SKIPS_FROM {
        response
    } else {
        response.with_skip_assignment(answer.skip_assignment)
    }
}

#[cfg(test)]
mod tests {
    use holdfast_wire::{Api, response};

    use super::super::super::testing::context;
    use super::*;

    #[test]
    fn answers_fit_every_version() {
        let refused = JoinAnswer::refused(ErrorCode::MemberIdRequired, &Arc::from("m"));
        let joined = JoinAnswer {
            code: ErrorCode::None,
            generation: 1,
            protocol_type: Some(Arc::from("consumer")),
            protocol: Some(Arc::from("range")),
            skip_assignment: true,
            ..refused.clone()
        };
        for version in Api::JoinGroup.served() {
            for answer in [&refused, &joined] {
                let message = render(version, answer);
                response::encode_message(1, Api::JoinGroup, version, &message).unwrap();
            }
        }
    }

    #[test]
    fn ids_begin_with_the_clients_name_and_fit_the_records() {
        assert!(fresh_id(None, "app").starts_with("app-"));
        let name = StrBytes::from_static_str("static");
        assert!(fresh_id(Some(&name), "app").starts_with("static-"));
        let long = "\u{e9}".repeat(LONGEST_TEXT);
        assert!(fresh_id(None, &long).len() <= LONGEST_TEXT);
    }

    #[test]
    fn the_first_version_has_one_time_out() {
        let request = JoinGroupRequest::default().with_session_timeout_ms(7_000);
        let wish = wish(&context(), 0, request).unwrap();
        assert_eq!(wish.rebalance_timeout, wish.session_timeout);
        assert!(!wish.takes_id_first);
    }

    #[test]
    fn texts_that_no_record_holds_are_refused() {
        let name = StrBytes::from_string("x".repeat(LONGEST_TEXT + 1));
        let request = JoinGroupRequest::default().with_group_instance_id(Some(name));
        let refused = wish(&context(), 9, request).map(|_| ());
        assert_eq!(refused, Err(ErrorCode::InvalidRequest));
    }
}
