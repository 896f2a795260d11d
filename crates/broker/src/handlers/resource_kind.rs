//! Kafka's numbers for what has settings.

/// A topic.
pub(super) const TOPIC: i8 = 2;
/// A broker, or with an empty name all of them.
pub(super) const BROKER: i8 = 4;
/// The log levels of a broker.
pub(super) const BROKER_LOGGER: i8 = 8;
const CLIENT_METRICS: i8 = 16;
const GROUP: i8 = 32;

/// Kafka's name for a number.
pub(super) fn name(kind: i8) -> &'static str {
    match kind {
        TOPIC => "TOPIC",
        BROKER => "BROKER",
        BROKER_LOGGER => "BROKER_LOGGER",
        CLIENT_METRICS => "CLIENT_METRICS",
        GROUP => "GROUP",
        _ => "UNKNOWN",
    }
}
