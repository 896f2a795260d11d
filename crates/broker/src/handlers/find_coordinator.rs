//! FindCoordinator: who coordinates a group. Nobody coordinates transactions or share groups yet,
//! and says so.

use std::sync::Arc;

use holdfast_model::ErrorCode;
use holdfast_wire::StrBytes;
use holdfast_wire::messages::find_coordinator_response::Coordinator;
use holdfast_wire::messages::{BrokerId, FindCoordinatorRequest, FindCoordinatorResponse};

use super::text::text;
use super::{Operation, RequestContext};
use crate::state::{BrokerState, shown_leader};

/// Kafka's numbers for what is coordinated.
const GROUP: i8 = 0;
const TRANSACTION: i8 = 1;
const SHARE: i8 = 2;

/// The first version that carries a list of keys.
const BATCHED_FROM: i16 = 4;

/// The first version that may ask for share groups.
const SHARE_FROM: i16 = 6;

/// No broker, as Kafka writes it.
const NOBODY: i32 = -1;

/// Who coordinates a key, or why nobody does.
type Found = Result<Place, (ErrorCode, StrBytes)>;

/// A broker, as clients of this listener reach it.
#[derive(Debug)]
struct Place {
    id: i32,
    host: StrBytes,
    port: i32,
}

/// Answers who coordinates. The first to ask for a group makes the topic in which groups are kept.
pub async fn handle(
    broker: &Arc<BrokerState>,
    context: &RequestContext,
    version: i16,
    request: FindCoordinatorRequest,
) -> FindCoordinatorResponse {
    let kind = request.key_type;
    if version < BATCHED_FROM {
        let found = find(broker, context, version, kind, &request.key).await;
        return single(found);
    }
    let mut coordinators = Vec::with_capacity(request.coordinator_keys.len());
    for key in request.coordinator_keys {
        let found = find(broker, context, version, kind, &key).await;
        coordinators.push(one_of_many(key, found));
    }
    FindCoordinatorResponse::default().with_coordinators(coordinators)
}

fn single(found: Found) -> FindCoordinatorResponse {
    let response = FindCoordinatorResponse::default();
    match found {
        Ok(place) => response
            .with_error_message(None)
            .with_node_id(BrokerId(place.id))
            .with_host(place.host)
            .with_port(place.port),
        Err((code, message)) => response
            .with_error_code(code.code())
            .with_error_message(Some(message))
            .with_node_id(BrokerId(NOBODY))
            .with_port(NOBODY),
    }
}

fn one_of_many(key: StrBytes, found: Found) -> Coordinator {
    let row = Coordinator::default().with_key(key);
    match found {
        Ok(place) => row
            .with_error_message(None)
            .with_node_id(BrokerId(place.id))
            .with_host(place.host)
            .with_port(place.port),
        Err((code, message)) => row
            .with_node_id(BrokerId(NOBODY))
            .with_port(NOBODY)
            .with_error_code(code.code())
            .with_error_message(Some(message)),
    }
}

async fn find(
    broker: &Arc<BrokerState>,
    context: &RequestContext,
    version: i16,
    kind: i8,
    key: &str,
) -> Found {
    may_ask(context, version, kind, key)?;
    if kind != GROUP {
        return Err(unavailable());
    }
    let at = broker.offices.find(broker, key).await;
    let at = at.map_err(|_code| unavailable())?;
    let image = broker.image();
    let leader = image
        .partition(at)
        .and_then(|record| shown_leader(record, broker.aside()))
        .and_then(|id| image.brokers.get(&id));
    let place = leader.and_then(|leader| {
        let endpoint = leader.endpoint(&context.listener)?;
        Some(Place {
            id: leader.id.0,
            host: text(&endpoint.host),
            port: i32::from(endpoint.port),
        })
    });
    place.ok_or_else(unavailable)
}

fn unavailable() -> (ErrorCode, StrBytes) {
    let message = StrBytes::from_static_str("The coordinator is not available.");
    (ErrorCode::CoordinatorNotAvailable, message)
}

fn may_ask(
    context: &RequestContext,
    version: i16,
    kind: i8,
    key: &str,
) -> Result<(), (ErrorCode, StrBytes)> {
    let denied = match kind {
        GROUP => ErrorCode::GroupAuthorizationFailed,
        TRANSACTION => ErrorCode::TransactionalIdAuthorizationFailed,
        SHARE if version >= SHARE_FROM => ErrorCode::ClusterAuthorizationFailed,
        _ => {
            let message = StrBytes::from_string(format!("Unknown coordinator type {kind}"));
            return Err((ErrorCode::InvalidRequest, message));
        }
    };
    if context.authorize(Operation::Describe, key) {
        Ok(())
    } else {
        Err((denied, StrBytes::from_static_str("Authorization failed.")))
    }
}

#[cfg(test)]
mod tests {
    use holdfast_wire::{Api, response};

    use super::super::testing::context;
    use super::*;

    #[test]
    fn answers_fit_every_version() {
        for version in Api::FindCoordinator.served() {
            let place = Place {
                id: 1,
                host: text("host"),
                port: 9092,
            };
            for found in [Ok(place), Err(unavailable())] {
                let answer = if version < BATCHED_FROM {
                    single(found)
                } else {
                    let row = one_of_many(text("g"), found);
                    FindCoordinatorResponse::default().with_coordinators(vec![row])
                };
                response::encode_message(1, Api::FindCoordinator, version, &answer).unwrap();
            }
        }
    }

    #[test]
    fn unknown_kinds_are_refused_and_share_groups_before_their_version() {
        let ask = |version, kind| {
            let asked = may_ask(&context(), version, kind, "g");
            asked.map_err(|(code, _)| code)
        };
        assert_eq!(ask(3, 9), Err(ErrorCode::InvalidRequest));
        assert_eq!(ask(5, SHARE), Err(ErrorCode::InvalidRequest));
        assert_eq!(ask(6, SHARE), Ok(()));
        assert_eq!(ask(0, GROUP), Ok(()));
    }
}
