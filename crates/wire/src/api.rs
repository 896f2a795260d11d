//! The APIs that we answer, with their versions: the one table that everything else reads.

use std::ops::RangeInclusive;

use kafka_protocol::messages::ApiKey;

macro_rules! apis {
    ($($(#[$doc:meta])* $name:ident = $key:literal,
        advertised $low:literal..=$high:literal, served from $served:literal,
        flexible from $flexible:expr;)*) => {
        /// An API of Kafka's protocol that we answer.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(i16)]
        pub enum Api {
            $($(#[$doc])* $name = $key,)*
        }

        impl Api {
            /// Every API, ascending by key: what `ApiVersions` answers.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The API of a key, if we answer it.
            pub const fn from_key(key: i16) -> Option<Self> {
                match key {
                    $($key => Some(Self::$name),)*
                    _ => None,
                }
            }

            /// Its name, as Kafka writes it.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)*
                }
            }

            /// The versions that we announce.
            pub const fn advertised(self) -> RangeInclusive<i16> {
                match self {
                    $(Self::$name => $low..=$high,)*
                }
            }

            /// The versions that we answer: those announced, but for Produce 0 to 2.
            pub const fn served(self) -> RangeInclusive<i16> {
                match self {
                    $(Self::$name => $served..=$high,)*
                }
            }

            /// The first version with compact lengths and tagged fields.
            const fn flexible_from(self) -> i16 {
                match self {
                    $(Self::$name => $flexible,)*
                }
            }

            pub(crate) const fn message_key(self) -> ApiKey {
                match self {
                    $(Self::$name => ApiKey::$name,)*
                }
            }
        }
    };
}

apis! {
    /// Writes record batches. Versions 0 to 2 are announced although they are refused: librdkafka
    /// stops compressing when the announced minimum is higher.
    Produce = 0, advertised 0..=13, served from 3, flexible from 9;
    /// Reads record batches.
    Fetch = 1, advertised 4..=18, served from 4, flexible from 12;
    /// Finds offsets by time.
    ListOffsets = 2, advertised 1..=10, served from 1, flexible from 6;
    /// Describes topics and brokers.
    Metadata = 3, advertised 0..=13, served from 0, flexible from 9;
    /// Commits how far a group has read.
    OffsetCommit = 8, advertised 2..=9, served from 2, flexible from 8;
    /// Tells how far a group has read.
    OffsetFetch = 9, advertised 1..=9, served from 1, flexible from 6;
    /// Finds the coordinator of a group or a transaction.
    FindCoordinator = 10, advertised 0..=6, served from 0, flexible from 3;
    /// Joins a group.
    JoinGroup = 11, advertised 0..=9, served from 0, flexible from 6;
    /// Says that a member of a group lives.
    Heartbeat = 12, advertised 0..=4, served from 0, flexible from 4;
    /// Leaves a group.
    LeaveGroup = 13, advertised 0..=5, served from 0, flexible from 4;
    /// Asks for a member's assignment; the leader brings everybody's.
    SyncGroup = 14, advertised 0..=5, served from 0, flexible from 4;
    /// Describes groups.
    DescribeGroups = 15, advertised 0..=6, served from 0, flexible from 5;
    /// Lists the groups of this broker.
    ListGroups = 16, advertised 0..=5, served from 0, flexible from 3;
    /// Says what we answer.
    ApiVersions = 18, advertised 0..=4, served from 0, flexible from 3;
    /// Creates topics.
    CreateTopics = 19, advertised 2..=7, served from 2, flexible from 5;
    /// Deletes topics.
    DeleteTopics = 20, advertised 1..=6, served from 1, flexible from 4;
    /// Moves the start of partitions forward.
    DeleteRecords = 21, advertised 0..=2, served from 0, flexible from 2;
    /// Hands out producer ids.
    InitProducerId = 22, advertised 0..=5, served from 0, flexible from 2;
    /// Finds where a leader epoch ends.
    OffsetForLeaderEpoch = 23, advertised 2..=4, served from 2, flexible from 4;
    /// Shows settings.
    DescribeConfigs = 32, advertised 1..=4, served from 1, flexible from 4;
    /// Replaces settings.
    AlterConfigs = 33, advertised 0..=2, served from 0, flexible from 2;
    /// Tells what is on the disks.
    DescribeLogDirs = 35, advertised 1..=4, served from 1, flexible from 2;
    /// Adds partitions to topics.
    CreatePartitions = 37, advertised 0..=3, served from 0, flexible from 2;
    /// Deletes groups.
    DeleteGroups = 42, advertised 0..=2, served from 0, flexible from 2;
    /// Elects leaders.
    ElectLeaders = 43, advertised 0..=2, served from 0, flexible from 2;
    /// Changes single settings.
    IncrementalAlterConfigs = 44, advertised 0..=1, served from 0, flexible from 1;
    /// Lists the partitions whose replicas are being moved.
    ListPartitionReassignments = 46, advertised 0..=0, served from 0, flexible from 0;
    /// Deletes offsets of a group.
    OffsetDelete = 47, advertised 0..=0, served from 0, flexible from i16::MAX;
    /// Shows the quotas of clients.
    DescribeClientQuotas = 48, advertised 0..=1, served from 0, flexible from 1;
    /// Changes the quotas of clients.
    AlterClientQuotas = 49, advertised 0..=1, served from 0, flexible from 1;
    /// Describes the metadata quorum.
    DescribeQuorum = 55, advertised 0..=2, served from 0, flexible from 0;
    /// Turns features on.
    UpdateFeatures = 57, advertised 0..=2, served from 0, flexible from 0;
    /// Describes the brokers.
    DescribeCluster = 60, advertised 0..=2, served from 0, flexible from 0;
    /// Tells which producers partitions remember.
    DescribeProducers = 61, advertised 0..=0, served from 0, flexible from 0;
    /// A member of the consumer protocol joins, lives, leaves, and is told what to read.
    ConsumerGroupHeartbeat = 68, advertised 0..=1, served from 0, flexible from 0;
    /// Describes groups of the consumer protocol.
    ConsumerGroupDescribe = 69, advertised 0..=1, served from 0, flexible from 0;
    /// Asks which metrics to push.
    GetTelemetrySubscriptions = 71, advertised 0..=0, served from 0, flexible from 0;
    /// Pushes metrics.
    PushTelemetry = 72, advertised 0..=0, served from 0, flexible from 0;
    /// Lists what has settings.
    ListConfigResources = 74, advertised 0..=1, served from 0, flexible from 0;
    /// Describes the partitions of topics, page by page.
    DescribeTopicPartitions = 75, advertised 0..=0, served from 0, flexible from 0;
}

impl Api {
    /// Its number in requests.
    pub const fn key(self) -> i16 {
        self as i16
    }

    /// Whether a version is answered.
    pub fn serves(self, version: i16) -> bool {
        self.served().contains(&version)
    }

    /// Whether a version has compact lengths and tagged fields.
    pub const fn is_flexible(self, version: i16) -> bool {
        version >= self.flexible_from()
    }

    /// The version of the request header in front of a request of this version.
    pub const fn request_header_version(self, version: i16) -> i16 {
        if self.is_flexible(version) { 2 } else { 1 }
    }

    /// The version of the response header. That of `ApiVersions` is always 0, because a client
    /// reads it before it knows what we understand.
    pub const fn response_header_version(self, version: i16) -> i16 {
        match self {
            Self::ApiVersions => 0,
            _ if self.is_flexible(version) => 1,
            _ => 0,
        }
    }
}

impl std::fmt::Display for Api {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_agrees_with_the_schemas() {
        for api in Api::ALL.iter().copied() {
            let key = api.message_key();
            assert_eq!(key as i16, api.key(), "{api}");
            assert_eq!(Api::from_key(api.key()), Some(api));
            let valid = key.valid_versions();
            for version in api.served() {
                assert!(
                    (valid.min..=valid.max).contains(&version),
                    "{api} {version}"
                );
                assert_eq!(
                    key.request_header_version(version),
                    api.request_header_version(version),
                    "{api} {version}"
                );
                assert_eq!(
                    key.response_header_version(version),
                    api.response_header_version(version),
                    "{api} {version}"
                );
            }
        }
    }

    #[test]
    fn produce_announces_versions_that_it_refuses() {
        assert_eq!(Api::Produce.advertised(), 0..=13);
        assert!(!Api::Produce.serves(2));
        assert!(Api::Produce.serves(3));
        assert!(!Api::Produce.serves(14));
    }

    #[test]
    fn the_keys_ascend() {
        assert!(Api::ALL.is_sorted());
        assert_eq!(Api::from_key(4), None);
        assert_eq!(Api::from_key(-1), None);
    }

    #[test]
    fn the_versions_are_those_of_kafka_4_4() {
        // Key, lowest, highest; the message crate ends earlier for ListOffsets, OffsetCommit,
        // OffsetFetch, ApiVersions, DescribeLogDirs and DeleteGroups.
        let kafka = [
            (0, 0, 13),
            (1, 4, 18),
            (2, 1, 10),
            (3, 0, 13),
            (8, 2, 9),
            (9, 1, 9),
            (10, 0, 6),
            (11, 0, 9),
            (12, 0, 4),
            (13, 0, 5),
            (14, 0, 5),
            (15, 0, 6),
            (16, 0, 5),
            (18, 0, 4),
            (19, 2, 7),
            (20, 1, 6),
            (21, 0, 2),
            (22, 0, 5),
            (23, 2, 4),
            (32, 1, 4),
            (33, 0, 2),
            (35, 1, 4),
            (37, 0, 3),
            (42, 0, 2),
            (43, 0, 2),
            (44, 0, 1),
            (46, 0, 0),
            (47, 0, 0),
            (48, 0, 1),
            (49, 0, 1),
            (55, 0, 2),
            (57, 0, 2),
            (60, 0, 2),
            (61, 0, 0),
            (68, 0, 1),
            (69, 0, 1),
            (71, 0, 0),
            (72, 0, 0),
            (74, 0, 1),
            (75, 0, 0),
        ];
        let mut ours: Vec<_> = Api::ALL
            .iter()
            .map(|api| {
                (
                    api.key(),
                    *api.advertised().start(),
                    *api.advertised().end(),
                )
            })
            .collect();
        ours.sort_unstable();
        assert_eq!(ours, kafka);
        assert!(
            !Api::InitProducerId.serves(6),
            "6 is the unstable two-phase commit"
        );
    }

    #[test]
    fn clients_that_stopped_growing_are_served() {
        // kafkajs; the last one is librdkafka.
        for (api, version) in [
            (Api::Produce, 7),
            (Api::Fetch, 11),
            (Api::Metadata, 6),
            (Api::ListOffsets, 3),
            (Api::InitProducerId, 1),
            (Api::DescribeConfigs, 2),
            (Api::CreateTopics, 3),
            (Api::ApiVersions, 2),
            (Api::FindCoordinator, 2),
            (Api::OffsetFetch, 4),
            (Api::OffsetCommit, 5),
            (Api::JoinGroup, 5),
            (Api::JoinGroup, 0),
            (Api::LeaveGroup, 1),
        ] {
            assert!(api.serves(version), "{api} {version}");
        }
    }
}
