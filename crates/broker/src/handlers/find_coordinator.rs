//! FindCoordinator: who coordinates a group or a transaction. Nobody does yet, and says so.

use holdfast_model::ErrorCode;
use holdfast_wire::StrBytes;
use holdfast_wire::messages::find_coordinator_response::Coordinator;
use holdfast_wire::messages::{BrokerId, FindCoordinatorRequest, FindCoordinatorResponse};

use super::{Operation, RequestContext};

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

/// Answers that the coordinator is not available: a client tries again, and would find it once there
/// is one.
pub fn handle(
    context: &RequestContext,
    version: i16,
    request: FindCoordinatorRequest,
) -> FindCoordinatorResponse {
    let kind = request.key_type;
    if version < BATCHED_FROM {
        let (code, message) = verdict(context, version, kind, &request.key);
        return FindCoordinatorResponse::default()
            .with_error_code(code.code())
            .with_error_message(Some(message))
            .with_node_id(BrokerId(NOBODY))
            .with_port(NOBODY);
    }
    let answer = |key: StrBytes| {
        let (code, message) = verdict(context, version, kind, &key);
        Coordinator::default()
            .with_key(key)
            .with_node_id(BrokerId(NOBODY))
            .with_port(NOBODY)
            .with_error_code(code.code())
            .with_error_message(Some(message))
    };
    FindCoordinatorResponse::default()
        .with_coordinators(request.coordinator_keys.into_iter().map(answer).collect())
}

fn verdict(context: &RequestContext, version: i16, kind: i8, key: &str) -> (ErrorCode, StrBytes) {
    let denied = match kind {
        GROUP => ErrorCode::GroupAuthorizationFailed,
        TRANSACTION => ErrorCode::TransactionalIdAuthorizationFailed,
        SHARE if version >= SHARE_FROM => ErrorCode::ClusterAuthorizationFailed,
        _ => {
            let message = StrBytes::from_string(format!("Unknown coordinator type {kind}"));
            return (ErrorCode::InvalidRequest, message);
        }
    };
    if context.authorize(Operation::Describe, key) {
        let message = StrBytes::from_static_str("The coordinator is not available.");
        (ErrorCode::CoordinatorNotAvailable, message)
    } else {
        (denied, StrBytes::from_static_str("Authorization failed."))
    }
}

#[cfg(test)]
mod tests {
    use holdfast_wire::{Api, response};

    use super::super::testing::context;
    use super::*;

    fn ask(version: i16, kind: i8) -> FindCoordinatorResponse {
        let mut request = FindCoordinatorRequest::default().with_key_type(kind);
        let key = StrBytes::from_static_str("g");
        if version < BATCHED_FROM {
            request.key = key;
        } else {
            request.coordinator_keys = vec![key.clone(), key];
        }
        handle(&context(), version, request)
    }

    #[test]
    fn nobody_coordinates_in_any_version() {
        for version in Api::FindCoordinator.served() {
            let answer = ask(version, GROUP);
            response::encode_message(1, Api::FindCoordinator, version, &answer).unwrap();
            let code = ErrorCode::CoordinatorNotAvailable.code();
            if version < BATCHED_FROM {
                assert_eq!((answer.error_code, answer.node_id.0), (code, NOBODY));
            } else {
                let codes: Vec<i16> = answer.coordinators.iter().map(|c| c.error_code).collect();
                assert_eq!(codes, [code, code]);
                assert_eq!(answer.error_code, 0);
            }
        }
    }

    #[test]
    fn unknown_kinds_are_refused_and_share_groups_before_their_version() {
        let invalid = ErrorCode::InvalidRequest.code();
        assert_eq!(ask(3, 9).error_code, invalid);
        assert_eq!(ask(5, SHARE).coordinators[0].error_code, invalid);
        let waits = ErrorCode::CoordinatorNotAvailable.code();
        assert_eq!(ask(6, SHARE).coordinators[0].error_code, waits);
    }
}
