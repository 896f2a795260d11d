//! How a topic is, as its conditions say it: pure.

use std::time::Duration;

use holdfast_api::{Condition, ConditionStatus, condition_types};
use holdfast_rpc::proto::admin::Topic;

use super::{COMING, SETTLED, STALLED};
use crate::error::Error;

/// How a topic is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    stage: Stage,
    reason: &'static str,
    message: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Ready,
    /// It comes by itself.
    Coming,
    /// A person must act.
    Stalled,
}

impl Verdict {
    pub(super) fn ready() -> Self {
        Self {
            stage: Stage::Ready,
            reason: "AsAskedFor",
            message: "the topic is as it says here".to_owned(),
        }
    }

    pub(super) fn stalled(reason: &'static str, message: String) -> Self {
        Self {
            stage: Stage::Stalled,
            reason,
            message,
        }
    }

    pub(super) fn no_controller(cluster: &str) -> Self {
        Self {
            stage: Stage::Coming,
            reason: "ClusterNotReady",
            message: format!("no controller of MessageCluster {cluster} answers yet"),
        }
    }

    /// What a broker's refusal means: what it finds wrong with the wish stays wrong until somebody
    /// changes it; all else may be better in a moment.
    pub(super) fn of(error: &Error) -> Self {
        let answered = match error {
            Error::Broker {
                source: holdfast_rpc::Error::Answered { code, message },
                ..
            } => Some((format!("{code:?}"), message)),
            _ => None,
        };
        match answered {
            Some((code, message))
                if [
                    "InvalidArgument",
                    "FailedPrecondition",
                    "AlreadyExists",
                    "PermissionDenied",
                ]
                .contains(&code.as_str()) =>
            {
                Self::stalled("Refused", message.clone())
            }
            _ => Self {
                stage: Stage::Coming,
                reason: "ClusterNotReady",
                message: error.to_string(),
            },
        }
    }

    /// Whether it is expected to be better by itself.
    pub(super) fn is_coming(&self) -> bool {
        self.stage == Stage::Coming
    }

    /// When to look again, if nothing changes before.
    pub(super) fn pause(&self) -> Duration {
        match self.stage {
            Stage::Ready => SETTLED,
            Stage::Coming => COMING,
            Stage::Stalled => STALLED,
        }
    }

    pub(super) fn conditions(&self, now: &str, generation: Option<i64>) -> Vec<Condition> {
        let condition = |kind: &str, holds| Condition {
            kind: kind.to_owned(),
            status: if holds {
                ConditionStatus::True
            } else {
                ConditionStatus::False
            },
            reason: self.reason.to_owned(),
            message: self.message.chars().take(1000).collect(),
            last_transition_time: now.to_owned(),
            observed_generation: generation,
        };
        let ready = condition(condition_types::READY, self.stage == Stage::Ready);
        let more = match self.stage {
            Stage::Ready => None,
            Stage::Coming => Some(condition(condition_types::RECONCILING, true)),
            Stage::Stalled => Some(condition(condition_types::STALLED, true)),
        };
        [ready].into_iter().chain(more).collect()
    }
}

/// The topic, if it has the partitions that were asked for. If not, the controller has decided, and the broker
/// that was asked does not know what yet.
pub(super) fn as_asked(topic: Option<Topic>, partitions: i32) -> Result<Topic, Verdict> {
    let topic = topic.filter(|topic| topic.partitions == partitions);
    topic.ok_or_else(|| Verdict {
        stage: Stage::Coming,
        reason: "Changing",
        message: "the topic was changed, and the brokers hear of it".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use holdfast_rpc::Status;

    use super::*;

    fn refused(status: Status) -> Verdict {
        Verdict::of(&Error::Broker {
            broker: 1000,
            source: status.into(),
        })
    }

    #[test]
    fn what_the_brokers_find_wrong_waits_for_a_person() {
        let verdict = refused(Status::failed_precondition("topic orders cannot shrink"));
        assert_eq!((verdict.stage, verdict.pause()), (Stage::Stalled, STALLED));
        assert_eq!(verdict.message, "topic orders cannot shrink");
        let kinds = |verdict: &Verdict| {
            let conditions = verdict.conditions("now", Some(1));
            conditions
                .into_iter()
                .map(|c| (c.kind, c.status))
                .collect::<Vec<_>>()
        };
        assert_eq!(
            kinds(&verdict),
            [
                ("Ready".to_owned(), ConditionStatus::False),
                ("Stalled".to_owned(), ConditionStatus::True)
            ]
        );
        assert_eq!(
            kinds(&Verdict::ready()),
            [("Ready".to_owned(), ConditionStatus::True)]
        );
    }

    #[test]
    fn a_topic_with_its_old_partitions_is_not_ready() {
        let topic = |partitions| {
            Some(Topic {
                partitions,
                ..Topic::default()
            })
        };
        assert!(as_asked(topic(6), 6).is_ok());
        for old in [topic(3), None] {
            let verdict = as_asked(old, 6).unwrap_err();
            assert!(verdict.is_coming());
            assert_eq!(verdict.pause(), COMING);
        }
    }

    #[test]
    fn a_cluster_that_is_away_is_waited_for() {
        assert_eq!(
            refused(Status::unavailable("no controller")).stage,
            Stage::Coming
        );
        assert_eq!(Verdict::of(&Error::NoBroker).pause(), COMING);
        let kind = &Verdict::no_controller("orders").conditions("now", None)[1].kind;
        assert_eq!(kind, "Reconciling");
    }
}
