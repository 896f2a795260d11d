"""What differs from Kafka on purpose, and why: by the name of the request."""

NO_HOURS = (
    "Kafka shows no default where a setting of the broker is unset and one in other units, or none, "
    "stands in for it; our brokers have one setting with a default for each"
)

KNOWN = {
    "DescribeConfigs: some of a topic": NO_HOURS,
    "DescribeConfigs: flush.ms of a topic": NO_HOURS,
    "DescribeConfigs: segment.jitter.ms of a topic": NO_HOURS,
    "DescribeConfigs: segment.ms of a topic": NO_HOURS,
    "DescribeConfigs: one of a broker": "our brokers' numbers are all shown as LONG",
    "IncrementalAlterConfigs: an unknown operation": (
        "INVALID_REQUEST and why, not UNKNOWN_SERVER_ERROR"
    ),
    "ElectLeaders: everywhere": "topics of which nothing is told are not named",
    "UpdateFeatures: what is on": "success needs no words",
    "AlterClientQuotas: of a user twice": "whoever is named twice is refused; Kafka takes the last name",
    "ConsumerGroupDescribe: it": "no pattern is told as none, also where a client has sent an empty one",
    "CreateTopics: only to be validated": "a topic that is not made has no id",
}

# What else differs on purpose, and why.
DIFFERENCES = [
    (
        "`acks=all` is answered once the records are synced on every in-sync replica; the settings of "
        "Kafka's flushes are taken and change nothing",
        "an acknowledged record survives that all brokers lose power at once",
    ),
    (
        "`min.insync.replicas` is 2 and `default.replication.factor` 3 where nothing is set (Kafka: 1)",
        "a record that is on one disk only is not what acknowledging promises",
    ),
    (
        "`unclean.leader.election.enable` is always false, and an unclean election on request is refused",
        "no election may lose acknowledged records",
    ),
    (
        "`cleanup.policy=compact` is refused for topics of users",
        "compacted topics are not part of this version",
    ),
    (
        "transactions, authentication, ACLs, delegation tokens, share groups, streams groups, tiered "
        "storage and moving partitions by request are not served: their APIs are not announced",
        "not part of this version; idempotent producers are",
    ),
    (
        "quotas of clients are kept and shown, and not enforced",
        "not part of this version",
    ),
    (
        "where clients' metrics have a receiver, every client is asked for all of them; there are no "
        "subscriptions to configure",
        "a collector chooses better",
    ),
    (
        "groups have at most 5,000 members unless set higher, and 200,000 offsets",
        "everything that a client can make grow is bounded",
    ),
    (
        "generations go on counting when a group changes its protocol",
        "no late commit fits a generation that came twice",
    ),
    (
        "regular expressions of subscriptions are those of Rust's `regex`: RE2's but for corners, and none "
        "matches internal topics",
        "they cannot take exponential time, and reading the brokers' own topics is never meant",
    ),
    (
        "metadata is the brokers' own: there are no controllers to connect to, and no metadata log to read",
        "one process, formed once by `holdfast format`",
    ),
]
