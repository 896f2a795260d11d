//! Strings as Kafka's messages hold them.

use holdfast_wire::StrBytes;
use holdfast_wire::messages::TopicName;

/// A string of an answer.
pub(super) fn text(value: impl Into<String>) -> StrBytes {
    StrBytes::from_string(value.into())
}

/// A topic's name in an answer.
pub(super) fn topic_name(name: &str) -> TopicName {
    TopicName(text(name))
}
