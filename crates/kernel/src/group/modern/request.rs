//! ConsumerGroupHeartbeat: what a member says, what it is told, and what is refused at sight.

use std::sync::Arc;

use holdfast_model::ErrorCode;

use super::super::MemberId;
use super::topics::whole_name;
use super::{Assignor, Partitions};

/// The epoch of a member that leaves.
pub const LEFT: i32 = -1;

/// The epoch of a static member that leaves and will be back.
pub const LEFT_FOR_A_WHILE: i32 = -2;

/// Bytes of the names of topics that a member may subscribe to, all together.
const TOPICS_BYTES: usize = 4 << 20;

/// A heartbeat. What has not changed since the last one may be left out.
#[derive(Clone, Debug)]
pub struct HeartbeatRequest {
    /// The member.
    pub member: MemberId,
    /// The epoch that it knows; 0 to join, [`LEFT`] or [`LEFT_FOR_A_WHILE`].
    pub epoch: i32,
    /// The name that survives its restarts.
    pub instance: Option<Arc<str>>,
    /// Its rack.
    pub rack: Option<Arc<str>>,
    /// How long it may take to give partitions up, in milliseconds.
    pub rebalance_timeout_ms: Option<i32>,
    /// The topics that it wants to read.
    pub topics: Option<Vec<Arc<str>>>,
    /// A regular expression of further ones; empty for none.
    pub regex: Option<Arc<str>>,
    /// The assignor that it prefers.
    pub assignor: Option<Arc<str>>,
    /// What it reads.
    pub owned: Option<Partitions>,
    /// How its client calls itself.
    pub client_id: Arc<str>,
    /// Where it is.
    pub client_host: Arc<str>,
    /// The connection that it came on: a greater number than that of each connection accepted before it.
    pub connection: u64,
}

/// The answer to a heartbeat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeartbeatAnswer {
    /// The outcome.
    pub code: ErrorCode,
    /// What is wrong, in words.
    pub message: Option<Arc<str>>,
    /// Who was asked.
    pub member: MemberId,
    /// Its epoch.
    pub epoch: i32,
    /// What it is to read, if that is news.
    pub assignment: Option<Partitions>,
}

impl HeartbeatAnswer {
    /// A refusal.
    pub fn refused(refusal: &Refusal) -> Self {
        Self {
            code: refusal.code,
            message: Some(Arc::clone(&refusal.message)),
            member: Arc::from(""),
            epoch: 0,
            assignment: None,
        }
    }
}

/// Why something is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Kafka's code.
    pub code: ErrorCode,
    /// In words.
    pub message: Arc<str>,
}

impl Refusal {
    pub(in super::super) fn new(code: ErrorCode, message: impl Into<Arc<str>>) -> Self {
        let message = message.into();
        Self { code, message }
    }
}

impl HeartbeatRequest {
    /// What can be said of it without looking at its group.
    ///
    /// # Errors
    /// It makes no sense, or asks for an assignor that there is not.
    pub fn check(&self) -> Result<(), Refusal> {
        let invalid = |message: &str| Err(Refusal::new(ErrorCode::InvalidRequest, message));
        if self.instance.as_deref() == Some("") {
            return invalid("InstanceId can't be empty.");
        }
        let names = self.topics.iter().flatten();
        if names.map(|name| name.len()).sum::<usize>() > TOPICS_BYTES {
            return invalid("SubscribedTopicNames are too long.");
        }
        if self.rack.as_deref() == Some("") {
            return invalid("RackId can't be empty.");
        }
        match self.epoch {
            0 => {
                if self.rebalance_timeout_ms.is_none() {
                    return invalid("RebalanceTimeoutMs must be provided in first request.");
                }
                if self.owned.as_ref().is_none_or(|owned| !owned.is_empty()) {
                    return invalid("TopicPartitions must be empty when (re-)joining.");
                }
                // An empty list of names is a subscription too: to nothing.
                let by_regex = self.regex.as_deref().is_some_and(|regex| !regex.is_empty());
                if self.topics.is_none() && !by_regex {
                    return invalid(
                        "Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when (re-)joining.",
                    );
                }
            }
            LEFT_FOR_A_WHILE if self.instance.is_none() => {
                return invalid("InstanceId can't be null.");
            }
            LEFT | LEFT_FOR_A_WHILE | 1.. => {}
            _ => return invalid("MemberEpoch is invalid."),
        }
        self.check_assignor()?;
        if let Some(pattern) = self.regex.as_deref() {
            whole_name(pattern).map_err(|bad| {
                let message = format!(
                    "SubscribedTopicRegex `{pattern}` is not a valid regular expression: {bad}."
                );
                Refusal::new(ErrorCode::InvalidRegularExpression, message)
            })?;
        }
        Ok(())
    }

    fn check_assignor(&self) -> Result<(), Refusal> {
        let Some(name) = self.assignor.as_deref() else {
            return Ok(());
        };
        if Assignor::find(name).is_some() {
            return Ok(());
        }
        let known: Vec<&str> = Assignor::ALL.iter().map(|known| known.name()).collect();
        let message = format!(
            "ServerAssignor {name} is not supported. Supported assignors: {}.",
            known.join(", ")
        );
        Err(Refusal::new(ErrorCode::UnsupportedAssignor, message))
    }
}
