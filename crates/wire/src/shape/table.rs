//! The fields of the requests that we answer, in the order of Kafka's schemas.

use super::Kind::{Array, Blob, Fixed, Nullable, Numbers, Struct, Text, Texts};
use super::{Kind, Row, Shape};
use crate::Api;

const BYTE: Kind = Fixed(1);
const SHORT: Kind = Fixed(2);
const INT: Kind = Fixed(4);
const LONG: Kind = Fixed(8);
const UUID: Kind = Fixed(16);
const INTS: Kind = Numbers(4);

/// A field of every version.
const fn always(kind: Kind) -> Row {
    Row {
        first: 0,
        last: i16::MAX,
        kind,
    }
}

/// A field since a version.
const fn since(first: i16, kind: Kind) -> Row {
    Row {
        first,
        last: i16::MAX,
        kind,
    }
}

/// A field up to a version.
const fn until(last: i16, kind: Kind) -> Row {
    Row {
        first: 0,
        last,
        kind,
    }
}

/// A field of some versions.
const fn between(first: i16, last: i16, kind: Kind) -> Row {
    Row { first, last, kind }
}

macro_rules! shape {
    ($($row:expr),* $(,)?) => {
        Array(&Shape { rows: &[$($row,)*], tags: &[] })
    };
}

macro_rules! body {
    ($($row:expr),* $(,)?) => {
        Shape { rows: &[$($row,)*], tags: &[] }
    };
}

/// The body of a request of an API.
pub(super) fn of(api: Api) -> &'static Shape {
    match api {
        Api::Produce => &PRODUCE,
        Api::Fetch => &FETCH,
        Api::ListOffsets => &LIST_OFFSETS,
        Api::Metadata => &METADATA,
        Api::OffsetCommit => &OFFSET_COMMIT,
        Api::OffsetFetch => &OFFSET_FETCH,
        Api::FindCoordinator => &FIND_COORDINATOR,
        Api::JoinGroup => &JOIN_GROUP,
        Api::Heartbeat => &HEARTBEAT,
        Api::LeaveGroup => &LEAVE_GROUP,
        Api::SyncGroup => &SYNC_GROUP,
        Api::DescribeGroups => &DESCRIBE_GROUPS,
        Api::ListGroups => &LIST_GROUPS,
        Api::ApiVersions => &API_VERSIONS,
        Api::CreateTopics => &CREATE_TOPICS,
        Api::DeleteTopics => &DELETE_TOPICS,
        Api::DeleteRecords => &DELETE_RECORDS,
        Api::InitProducerId => &INIT_PRODUCER_ID,
        Api::OffsetForLeaderEpoch => &OFFSET_FOR_LEADER_EPOCH,
        Api::DescribeConfigs => &DESCRIBE_CONFIGS,
        Api::AlterConfigs => &ALTER_CONFIGS,
        Api::DescribeLogDirs => &DESCRIBE_LOG_DIRS,
        Api::CreatePartitions => &CREATE_PARTITIONS,
        Api::DeleteGroups => &DELETE_GROUPS,
        Api::ElectLeaders => &ELECT_LEADERS,
        Api::IncrementalAlterConfigs => &INCREMENTAL_ALTER_CONFIGS,
        Api::ListPartitionReassignments => &LIST_PARTITION_REASSIGNMENTS,
        Api::OffsetDelete => &OFFSET_DELETE,
        Api::DescribeClientQuotas => &DESCRIBE_CLIENT_QUOTAS,
        Api::AlterClientQuotas => &ALTER_CLIENT_QUOTAS,
        Api::GetTelemetrySubscriptions => &GET_TELEMETRY_SUBSCRIPTIONS,
        Api::PushTelemetry => &PUSH_TELEMETRY,
        Api::DescribeQuorum => &DESCRIBE_QUORUM,
        Api::UpdateFeatures => &UPDATE_FEATURES,
        Api::DescribeCluster => &DESCRIBE_CLUSTER,
        Api::DescribeProducers => &DESCRIBE_PRODUCERS,
        Api::ConsumerGroupHeartbeat => &CONSUMER_GROUP_HEARTBEAT,
        Api::ConsumerGroupDescribe => &CONSUMER_GROUP_DESCRIBE,
        Api::ListConfigResources => &LIST_CONFIG_RESOURCES,
        Api::DescribeTopicPartitions => &DESCRIBE_TOPIC_PARTITIONS,
    }
}

static PRODUCE: Shape = body![
    always(Text),
    always(SHORT),
    always(INT),
    always(shape![
        until(12, Text),
        since(13, UUID),
        always(shape![always(INT), always(Blob)]),
    ]),
];

static FETCH: Shape = Shape {
    rows: &[
        until(14, INT),
        always(INT),
        always(INT),
        always(INT),
        always(BYTE),
        since(7, INT),
        since(7, INT),
        always(shape![
            until(12, Text),
            since(13, UUID),
            always(Array(&FETCH_PARTITION))
        ]),
        since(7, shape![until(12, Text), since(13, UUID), always(INTS)]),
        since(11, Text),
    ],
    tags: &[(0, Text), (1, Struct(&FETCH_REPLICA_STATE))],
};

static FETCH_PARTITION: Shape = Shape {
    rows: &[
        always(INT),
        since(9, INT),
        always(LONG),
        since(12, INT),
        since(5, LONG),
        always(INT),
    ],
    tags: &[(0, UUID), (1, LONG)],
};

static FETCH_REPLICA_STATE: Shape = body![since(15, INT), since(15, LONG)];

static LIST_OFFSETS: Shape = body![
    always(INT),
    since(2, BYTE),
    always(shape![
        always(Text),
        always(shape![always(INT), since(4, INT), always(LONG)]),
    ]),
    since(10, INT),
];

static METADATA: Shape = body![
    always(shape![since(10, UUID), always(Text)]),
    since(4, BYTE),
    between(8, 10, BYTE),
    since(8, BYTE),
];

static OFFSET_COMMIT: Shape = body![
    always(Text),
    always(INT),
    always(Text),
    since(7, Text),
    between(2, 4, LONG),
    always(shape![
        always(Text),
        always(shape![
            always(INT),
            always(LONG),
            since(6, INT),
            always(Text)
        ]),
    ]),
];

static OFFSET_FETCH: Shape = body![
    until(7, Text),
    until(7, shape![always(Text), always(INTS)]),
    since(
        8,
        shape![
            always(Text),
            since(9, Text),
            since(9, INT),
            always(shape![always(Text), always(INTS)]),
        ]
    ),
    since(7, BYTE),
];

static FIND_COORDINATOR: Shape = body![until(3, Text), since(1, BYTE), since(4, Texts)];

static JOIN_GROUP: Shape = body![
    always(Text),
    always(INT),
    since(1, INT),
    always(Text),
    since(5, Text),
    always(Text),
    always(shape![always(Text), always(Blob)]),
    since(8, Text),
];

static HEARTBEAT: Shape = body![always(Text), always(INT), always(Text), since(3, Text)];

static LEAVE_GROUP: Shape = body![
    always(Text),
    until(2, Text),
    since(3, shape![always(Text), always(Text), since(5, Text)]),
];

static SYNC_GROUP: Shape = body![
    always(Text),
    always(INT),
    always(Text),
    since(3, Text),
    since(5, Text),
    since(5, Text),
    always(shape![always(Text), always(Blob)]),
];

static DESCRIBE_GROUPS: Shape = body![always(Texts), since(3, BYTE)];

static LIST_GROUPS: Shape = body![since(4, Texts), since(5, Texts)];

static API_VERSIONS: Shape = body![since(3, Text), since(3, Text)];

static CREATE_TOPICS: Shape = body![
    always(shape![
        always(Text),
        always(INT),
        always(SHORT),
        always(shape![always(INT), always(INTS)]),
        always(shape![always(Text), always(Text)]),
    ]),
    always(INT),
    always(BYTE),
];

static DELETE_TOPICS: Shape = body![
    since(6, shape![always(Text), always(UUID)]),
    until(5, Texts),
    always(INT)
];

static DELETE_RECORDS: Shape = body![
    always(shape![
        always(Text),
        always(shape![always(INT), always(LONG)])
    ]),
    always(INT),
];

static INIT_PRODUCER_ID: Shape = body![always(Text), always(INT), since(3, LONG), since(3, SHORT)];

static OFFSET_FOR_LEADER_EPOCH: Shape = body![
    since(3, INT),
    always(shape![
        always(Text),
        always(shape![always(INT), always(INT), always(INT)]),
    ]),
];

static DESCRIBE_CONFIGS: Shape = body![
    always(shape![always(BYTE), always(Text), always(Texts)]),
    always(BYTE),
    since(3, BYTE),
];

static ALTER_CONFIGS: Shape = body![
    always(shape![
        always(BYTE),
        always(Text),
        always(shape![always(Text), always(Text)]),
    ]),
    always(BYTE),
];

static DESCRIBE_LOG_DIRS: Shape = body![always(shape![always(Text), always(INTS)])];

static CREATE_PARTITIONS: Shape = body![
    always(shape![
        always(Text),
        always(INT),
        always(shape![always(INTS)])
    ]),
    always(INT),
    always(BYTE),
];

static ELECT_LEADERS: Shape = body![
    since(1, BYTE),
    always(shape![always(Text), always(INTS)]),
    always(INT),
];

static UPDATE_FEATURES: Shape = body![
    always(INT),
    always(shape![
        always(Text),
        always(SHORT),
        until(0, BYTE),
        since(1, BYTE),
    ]),
    since(1, BYTE),
];

static DESCRIBE_CLIENT_QUOTAS: Shape = body![
    always(shape![always(Text), always(BYTE), always(Text)]),
    always(BYTE),
];

static ALTER_CLIENT_QUOTAS: Shape = body![
    always(shape![
        always(shape![always(Text), always(Text)]),
        always(shape![always(Text), always(LONG), always(BYTE)]),
    ]),
    always(BYTE),
];

static GET_TELEMETRY_SUBSCRIPTIONS: Shape = body![always(UUID)];

static PUSH_TELEMETRY: Shape = body![
    always(UUID),
    always(INT),
    always(BYTE),
    always(BYTE),
    always(Blob),
];

static DELETE_GROUPS: Shape = body![always(Texts)];

static CONSUMER_GROUP_HEARTBEAT: Shape = body![
    always(Text),
    always(Text),
    always(INT),
    always(Text),
    always(Text),
    always(INT),
    always(Texts),
    since(1, Text),
    always(Text),
    always(shape![always(UUID), always(INTS)]),
];

static CONSUMER_GROUP_DESCRIBE: Shape = body![always(Texts), always(BYTE)];

static INCREMENTAL_ALTER_CONFIGS: Shape = body![
    always(shape![
        always(BYTE),
        always(Text),
        always(shape![always(Text), always(BYTE), always(Text)]),
    ]),
    always(BYTE),
];

static LIST_PARTITION_REASSIGNMENTS: Shape =
    body![always(INT), always(shape![always(Text), always(INTS)])];

static OFFSET_DELETE: Shape = body![
    always(Text),
    always(shape![always(Text), always(shape![always(INT)])]),
];

static DESCRIBE_QUORUM: Shape = body![always(shape![always(Text), always(shape![always(INT)])])];

static DESCRIBE_CLUSTER: Shape = body![always(BYTE), since(1, BYTE), since(2, BYTE)];

static DESCRIBE_PRODUCERS: Shape = body![always(shape![always(Text), always(INTS)])];

static LIST_CONFIG_RESOURCES: Shape = body![since(1, Numbers(1))];

static DESCRIBE_TOPIC_PARTITIONS: Shape = body![
    always(shape![always(Text)]),
    always(INT),
    always(Nullable(&TOPIC_CURSOR)),
];

static TOPIC_CURSOR: Shape = body![always(Text), always(INT)];
