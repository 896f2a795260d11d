//! Topics that belong to the brokers.

/// Where the coordinators of groups keep members and offsets.
pub const CONSUMER_OFFSETS: &str = "__consumer_offsets";

/// Whether a topic belongs to the brokers: clients do not write there, and consumers that subscribe
/// by pattern skip it. Kafka's three, and none besides: others may begin with two underscores too.
pub fn is_internal(topic: &str) -> bool {
    matches!(
        topic,
        CONSUMER_OFFSETS | "__transaction_state" | "__share_group_state"
    )
}
