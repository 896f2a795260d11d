//! What can go wrong while a resource is carried out, and what is done about it.

use std::time::Duration;

/// Why a reconcile did not do all it should.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The API server refused, or did not answer.
    #[error("the API server: {}", said(.0))]
    Kube(#[from] kube::Error),
    /// What was decided was decided on something that has changed since.
    #[error("{0} changed meanwhile")]
    Stale(String),
    /// A broker did not do what it was asked.
    #[error("broker {broker}: {source}")]
    Broker {
        /// Which one.
        broker: i32,
        /// Its answer.
        source: holdfast_rpc::Error,
    },
    /// There is no broker to ask.
    #[error("no broker of the cluster could be asked")]
    NoBroker,
    /// The certificates cannot be made.
    #[error("certificates: {0}")]
    Certificates(#[from] holdfast_security::Error),
    /// A person must change something outside the resource.
    #[error("{0}")]
    Person(String),
    /// Not written as the operator writes it.
    #[error("{what} cannot be read: {reason}")]
    Unreadable {
        /// What.
        what: String,
        /// Why.
        reason: String,
    },
    /// What the planner asked for is not possible here.
    #[error("refused by the operator itself: {0}")]
    Refused(String),
    /// The lease is lost, or will be before this ends.
    #[error("another operator may have the lease")]
    NotLeading,
    /// It took too long.
    #[error("not done within {0:?}")]
    TimedOut(Duration),
}

/// The kind of a failure, for metrics and for the pause after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// Somebody else wrote at the same time: look again at once.
    Conflict,
    /// The API server is away, slow or overloaded.
    ApiServer,
    /// The operator has not the rights that it needs.
    Forbidden,
    /// The API server finds what it was sent wrong.
    Rejected,
    /// The brokers are away or refuse.
    Brokers,
    /// A person must act.
    Person,
    /// A mistake in the operator.
    Internal,
    /// This process does not lead.
    NotLeading,
}

impl Class {
    /// Its name in metrics.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Conflict => "conflict",
            Self::ApiServer => "api-server",
            Self::Forbidden => "forbidden",
            Self::Rejected => "rejected",
            Self::Brokers => "brokers",
            Self::Person => "person",
            Self::Internal => "internal",
            Self::NotLeading => "not-leading",
        }
    }

    /// When to try again. What changes wakes the resource before that.
    pub(crate) fn pause(self) -> Duration {
        match self {
            Self::Conflict => Duration::from_secs(1),
            Self::ApiServer | Self::Brokers | Self::NotLeading => Duration::from_secs(5),
            Self::Forbidden | Self::Rejected | Self::Person | Self::Internal => {
                Duration::from_secs(30)
            }
        }
    }
}

impl Error {
    pub(crate) fn class(&self) -> Class {
        match self {
            Self::Kube(kube::Error::Api(status)) => match status.code {
                404 | 409 => Class::Conflict,
                401 | 403 => Class::Forbidden,
                400 | 422 => Class::Rejected,
                _ => Class::ApiServer,
            },
            Self::Kube(_) | Self::TimedOut(_) => Class::ApiServer,
            Self::Stale(_) => Class::Conflict,
            Self::Broker { .. } | Self::NoBroker => Class::Brokers,
            Self::Person(_) => Class::Person,
            Self::Certificates(_) | Self::Unreadable { .. } | Self::Refused(_) => Class::Internal,
            Self::NotLeading => Class::NotLeading,
        }
    }

    /// What is not there, or is already.
    pub(crate) fn unreadable(what: &str, reason: &dyn std::fmt::Display) -> Self {
        Self::Unreadable {
            what: what.to_owned(),
            reason: reason.to_string(),
        }
    }
}

/// What a person needs of it: the sentence alone, where the API server has one.
fn said(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) if !status.message.is_empty() => status.message.clone(),
        error => error.to_string(),
    }
}

/// Whether the API server says that there is no such object.
pub(crate) fn is_not_found(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 404)
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    #[test]
    fn failures_have_a_class() {
        let api = |code| Error::Kube(kube::Error::Api(Status::default().with_code(code).boxed()));
        for (code, class) in [
            (404, Class::Conflict),
            (409, Class::Conflict),
            (403, Class::Forbidden),
            (422, Class::Rejected),
            (429, Class::ApiServer),
            (503, Class::ApiServer),
        ] {
            assert_eq!(api(code).class(), class, "{code}");
        }
        assert_eq!(Error::NoBroker.class(), Class::Brokers);
        assert!(Class::Conflict.pause() < Class::Rejected.pause());
    }

    #[test]
    fn a_refusal_of_the_api_server_is_its_sentence_alone() {
        let status = Status::failure("port 31094 is taken", "Invalid").with_code(422);
        let error = Error::Kube(kube::Error::Api(status.boxed()));
        assert_eq!(error.to_string(), "the API server: port 31094 is taken");
    }
}
