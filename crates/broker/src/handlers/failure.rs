//! Refusals that several admin requests share.

use holdfast_kernel::controller::{Failure, Outcome};
use holdfast_model::ErrorCode;

/// A topic is named twice.
pub(super) fn duplicate_topic() -> Failure {
    Failure::new(ErrorCode::InvalidRequest, "Duplicate topic name.")
}

/// The client may not do this to the topic.
pub(super) fn topic_denied() -> Failure {
    Failure::new(ErrorCode::TopicAuthorizationFailed, "Authorization failed.")
}

/// Why a whole command was refused.
pub(super) fn of_all(outcome: Outcome) -> Failure {
    match outcome {
        Outcome::Failed(failure) => failure,
        other => {
            tracing::error!(?other, "impossible answer of the controller");
            Failure::new(
                ErrorCode::UnknownServerError,
                "impossible answer of the controller",
            )
        }
    }
}
