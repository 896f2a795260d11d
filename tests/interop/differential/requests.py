"""The requests that both brokers answer: each with a name, in the order in which they are asked.

`everything(ask)` asks them; `ask(name, api, version, request)` returns the answer, of which some goes
into later requests. A request has the JSON form of Kafka's schemas.
"""

import base64

LONG = "x" * 249
TOO_LONG = "x" * 250
NO_ID = "AAAAAAAAAAAAAAAAAAAAAA"
UNKNOWN_ID = "AAAAAAAAAAAAAAAAAAAABw"


def blob(data):
    return base64.b64encode(data).decode()


def everything(ask):
    topics(ask)
    configs(ask)
    reading(ask)
    classic_groups(ask)
    offsets(ask)
    consumer_groups(ask)
    quotas(ask)
    cluster(ask)


def topic(name, partitions=1, replicas=1, assignments=(), configs=()):
    return {
        "name": name,
        "numPartitions": partitions,
        "replicationFactor": replicas,
        "assignments": [{"partitionIndex": p, "brokerIds": list(ids)} for p, ids in assignments],
        "configs": [{"name": key, "value": value} for key, value in configs],
    }


def topics(ask):
    def create(name, *wanted, validate=False):
        request = {"topics": list(wanted), "timeoutMs": 10000, "validateOnly": validate}
        return ask(f"CreateTopics: {name}", "CreateTopics", 7, request)

    create("one", topic("one", 2))
    create("it exists", topic("one"))
    create("twice in a request", topic("two"), topic("two"), topic("three"))
    create("only to be validated", topic("four"), validate=True)
    create("nothing of it", topic("one"), validate=True)
    for name, why in [
        ("", "no name"),
        (".", "a dot"),
        ("..", "two dots"),
        ("a b", "a space"),
        ("a/b", "a slash"),
        ("ä", "an umlaut"),
        (TOO_LONG, "250 bytes"),
    ]:
        create(f"named {why}", topic(name))
    create("named 249 bytes", topic(LONG))
    create("one that differs by a dot", topic("a.b"), topic("c_d"))
    create("one that collides with another", topic("a_b"))
    create("the brokers' own name", topic("__consumer_offsets_"))
    create("no partitions", topic("p", 0))
    create("minus two partitions", topic("p", -2))
    create("defaults", topic("defaults", -1, -1))
    create("no replicas", topic("p", 1, 0))
    create("minus two replicas", topic("p", 1, -2))
    create("more replicas than brokers", topic("p", 1, 2))
    create("placed", topic("placed", -1, -1, [(0, [0])]))
    create("placed and counted", topic("p", 1, -1, [(0, [0])]))
    create("placed and replicated", topic("p", -1, 1, [(0, [0])]))
    create("placed with a hole", topic("p", -1, -1, [(0, [0]), (2, [0])]))
    create("placed twice", topic("p", -1, -1, [(0, [0]), (0, [0])]))
    create("placed nowhere", topic("p", -1, -1, [(0, [])]))
    create("placed on a broker that is not there", topic("p", -1, -1, [(0, [7])]))
    create("placed on one broker twice", topic("p", -1, -1, [(0, [0, 0])]))
    create("placed unevenly", topic("p", -1, -1, [(0, [0]), (1, [0, 1])]))
    create("an unknown setting", topic("p", configs=[("no.such.key", "1")]))
    create("a wrong setting", topic("p", configs=[("retention.ms", "soon")]))
    create("a setting out of range", topic("p", configs=[("min.insync.replicas", "0")]))
    create("a setting without value", topic("p", configs=[("retention.ms", None)]))
    create("settings", topic("set", configs=[("retention.ms", "1000"), ("cleanup.policy", "delete")]))
    create("nothing")

    def grow(name, *wanted, validate=False):
        request = {"topics": list(wanted), "timeoutMs": 10000, "validateOnly": validate}
        return ask(f"CreatePartitions: {name}", "CreatePartitions", 3, request)

    def more(name, count, assignments=None):
        lists = None if assignments is None else [{"brokerIds": ids} for ids in assignments]
        return {"name": name, "count": count, "assignments": lists}

    grow("one more", more("one", 3))
    grow("as many", more("one", 3))
    grow("fewer", more("one", 2))
    grow("none", more("one", 0))
    grow("minus one", more("one", -1))
    grow("of no topic", more("gone", 3))
    grow("twice", more("one", 4), more("one", 5))
    grow("only to be validated", more("one", 9), validate=True)
    grow("placed", more("placed", 2, [[0]]))
    grow("placed too few", more("placed", 4, [[0]]))
    grow("placed on a broker that is not there", more("placed", 3, [[7]]))
    grow("placed on two brokers", more("placed", 3, [[0, 1]]))

    def delete(name, version, *wanted):
        if version >= 6:
            request = {"topics": [{"name": n, "topicId": i} for n, i in wanted], "timeoutMs": 10000}
        else:
            request = {"topicNames": [n for n, _ in wanted], "timeoutMs": 10000}
        return ask(f"DeleteTopics: {name}", "DeleteTopics", version, request)

    delete("of the past", 4, ("three", None))
    delete("gone", 6, ("three", NO_ID))
    delete("an unknown id", 6, (None, UNKNOWN_ID))
    delete("neither name nor id", 6, (None, NO_ID))
    delete("name and id", 6, ("one", UNKNOWN_ID))
    delete("twice", 6, ("defaults", NO_ID), ("defaults", NO_ID))
    delete("named 249 bytes", 6, (LONG, NO_ID))

    def metadata(name, version, wanted, create=False):
        names = wanted and [
            {"name": n, "topicId": i} if version >= 10 else {"name": n} for n, i in wanted
        ]
        request = {"topics": names}
        if version >= 4:
            request["allowAutoTopicCreation"] = create
        if 8 <= version <= 10:
            request["includeClusterAuthorizedOperations"] = False
        if version >= 8:
            request["includeTopicAuthorizedOperations"] = True
        return ask(f"Metadata: {name}", "Metadata", version, request)

    metadata("of one", 12, [("one", NO_ID)])
    metadata("of one, long ago", 1, [("one", NO_ID)])
    metadata("gone", 12, [("gone", NO_ID)])
    metadata("of a bad name", 12, [("a b", NO_ID)])
    metadata("of an unknown id", 12, [(None, UNKNOWN_ID)])
    metadata("of none", 12, [])

    def pages(name, wanted, limit=2000, cursor=None):
        request = {
            "topics": [{"name": n} for n in wanted],
            "responsePartitionLimit": limit,
            "cursor": cursor,
        }
        return ask(
            f"DescribeTopicPartitions: {name}", "DescribeTopicPartitions", 0, request
        )

    pages("one", ["one"])
    pages("a page", ["one"], 2)
    pages("the next page", ["one"], 2, {"topicName": "one", "partitionIndex": 2})
    pages("gone", ["gone", "one"])
    pages("a cursor before all", ["one"], 2, {"topicName": "one", "partitionIndex": -1})


TOPIC, BROKER, LOGGER = 2, 4, 8


def configs(ask):
    def describe(name, kind, resource, keys=None, synonyms=False):
        row = {"resourceType": kind, "resourceName": resource, "configurationKeys": keys}
        request = {
            "resources": [row],
            "includeSynonyms": synonyms,
            "includeDocumentation": False,
        }
        return ask(f"DescribeConfigs: {name}", "DescribeConfigs", 4, request)

    describe("some of a topic", TOPIC, "set", ["retention.ms", "cleanup.policy", "no.such.key"], True)
    for key in [
        "cleanup.policy",
        "compression.type",
        "delete.retention.ms",
        "file.delete.delay.ms",
        "flush.messages",
        "flush.ms",
        "index.interval.bytes",
        "max.compaction.lag.ms",
        "max.message.bytes",
        "message.timestamp.after.max.ms",
        "message.timestamp.before.max.ms",
        "message.timestamp.type",
        "min.cleanable.dirty.ratio",
        "min.compaction.lag.ms",
        "preallocate",
        "retention.bytes",
        "segment.bytes",
        "segment.index.bytes",
        "segment.jitter.ms",
        "segment.ms",
        "unclean.leader.election.enable",
    ]:
        describe(f"{key} of a topic", TOPIC, "one", [key], True)
    describe("of a topic that is gone", TOPIC, "gone")
    describe("of a topic with a bad name", TOPIC, "a b")
    describe("of no broker", BROKER, "9", ["num.partitions"])
    describe("of a broker that is no number", BROKER, "zero", ["num.partitions"])
    describe("of every broker", BROKER, "", ["num.partitions"])
    describe("one of a broker", BROKER, "0", ["num.partitions"], True)
    describe("of an unknown kind", 99, "one")
    describe("of kind unknown", 0, "one")

    SET, DELETE, APPEND, SUBTRACT = range(4)

    def change(name, kind, resource, *operations, validate=False):
        rows = [{"name": k, "configOperation": o, "value": v} for k, o, v in operations]
        request = {
            "resources": [{"resourceType": kind, "resourceName": resource, "configs": rows}],
            "validateOnly": validate,
        }
        return ask(f"IncrementalAlterConfigs: {name}", "IncrementalAlterConfigs", 1, request)

    change("set", TOPIC, "set", ("retention.ms", SET, "5000"))
    change("delete", TOPIC, "set", ("retention.ms", DELETE, None))
    change("delete what is not set", TOPIC, "set", ("flush.ms", DELETE, None))
    change("set to nothing", TOPIC, "set", ("retention.ms", SET, None))
    change("append to what is no list", TOPIC, "set", ("retention.ms", APPEND, "5"))
    change("append", TOPIC, "set", ("cleanup.policy", APPEND, "delete"))
    change("append nonsense", TOPIC, "set", ("cleanup.policy", APPEND, "sometimes"))
    change("subtract what is not there", TOPIC, "set", ("cleanup.policy", SUBTRACT, "compact"))
    change("an unknown operation", TOPIC, "set", ("retention.ms", 7, "1"))
    change("an unknown key", TOPIC, "set", ("no.such.key", SET, "1"))
    change("a wrong value", TOPIC, "set", ("retention.ms", SET, "soon"))
    change("a value out of range", TOPIC, "set", ("max.message.bytes", SET, "-5"))
    change("a key twice", TOPIC, "set", ("flush.ms", SET, "1"), ("flush.ms", SET, "2"))
    change("of a topic that is gone", TOPIC, "gone", ("retention.ms", SET, "1"))
    change("of no broker", BROKER, "9", ("log.retention.ms", SET, "100000000"))
    change("a fixed setting of a broker", BROKER, "0", ("node.id", SET, "5"))
    change("of an unknown kind", 99, "x", ("a", SET, "1"))
    change("only to be validated", TOPIC, "set", ("retention.ms", SET, "7"), validate=True)
    change("wrong, and only to be validated", TOPIC, "set", ("retention.ms", SET, "x"), validate=True)
    describe("after all that", TOPIC, "set", ["retention.ms", "flush.ms", "cleanup.policy"])

    def replace(name, resource, *rows):
        request = {
            "resources": [
                {
                    "resourceType": TOPIC,
                    "resourceName": resource,
                    "configs": [{"name": k, "value": v} for k, v in rows],
                }
            ],
            "validateOnly": False,
        }
        return ask(f"AlterConfigs: {name}", "AlterConfigs", 2, request)

    replace("all", "set", ("segment.ms", "100000"))
    replace("with nonsense", "set", ("segment.ms", "x"))
    replace("with nothing", "set", ("segment.ms", None))
    replace("of a topic that is gone", "gone", ("segment.ms", "1"))
    describe("after the replacement", TOPIC, "set", ["segment.ms", "flush.ms"])


def reading(ask):
    def list_offsets(name, topic_name, partition, timestamp, version=7, epoch=-1):
        row = {"partitionIndex": partition, "currentLeaderEpoch": epoch, "timestamp": timestamp}
        request = {
            "replicaId": -1,
            "isolationLevel": 0,
            "topics": [{"name": topic_name, "partitions": [row]}],
        }
        return ask(f"ListOffsets: {name}", "ListOffsets", version, request)

    list_offsets("latest", "one", 0, -1)
    list_offsets("earliest", "one", 0, -2)
    list_offsets("of the newest record", "one", 0, -3)
    list_offsets("by time", "one", 0, 1000)
    list_offsets("of no such partition", "one", 99, -1)
    list_offsets("of partition -1", "one", -1, -1)
    list_offsets("of no such topic", "gone", 0, -1)
    list_offsets("of a later epoch", "one", 0, -1, epoch=99)
    list_offsets("of an unknown kind", "one", 0, -77)

    def delete_records(name, topic_name, partition, offset):
        row = {"partitionIndex": partition, "offset": offset}
        request = {
            "topics": [{"name": topic_name, "partitions": [row]}],
            "timeoutMs": 10000,
        }
        return ask(f"DeleteRecords: {name}", "DeleteRecords", 2, request)

    delete_records("none", "one", 0, 0)
    delete_records("all", "one", 0, -1)
    delete_records("beyond the end", "one", 0, 5)
    delete_records("before minus one", "one", 0, -2)
    delete_records("of no such partition", "one", 99, 0)
    delete_records("of no such topic", "gone", 0, 0)

    def epoch_end(name, topic_name, partition, epoch, current=-1):
        row = {"partition": partition, "currentLeaderEpoch": current, "leaderEpoch": epoch}
        request = {"replicaId": -1, "topics": [{"topic": topic_name, "partitions": [row]}]}
        return ask(f"OffsetForLeaderEpoch: {name}", "OffsetForLeaderEpoch", 4, request)

    epoch_end("of the first", "one", 0, 0)
    epoch_end("of a later one", "one", 0, 99)
    epoch_end("asked from a later one", "one", 0, 0, 99)
    epoch_end("of no such partition", "one", 99, 0)
    epoch_end("of no such topic", "gone", 0, 0)

    def fetch(name, topic_name, partition, offset, version=12, session=(0, -1), epoch=-1):
        row = {
            "partition": partition,
            "currentLeaderEpoch": epoch,
            "fetchOffset": offset,
            "lastFetchedEpoch": -1,
            "logStartOffset": -1,
            "partitionMaxBytes": 1000,
        }
        request = {
            "replicaId": -1,
            "maxWaitMs": 0,
            "minBytes": 0,
            "maxBytes": 1000,
            "isolationLevel": 0,
            "sessionId": session[0],
            "sessionEpoch": session[1],
            "topics": [{"topic": topic_name, "partitions": [row]}],
            "forgottenTopicsData": [],
            "rackId": "",
        }
        return ask(f"Fetch: {name}", "Fetch", version, request)

    fetch("nothing", "one", 0, 0)
    fetch("beyond the end", "one", 0, 5)
    fetch("before the beginning", "one", 0, -5)
    fetch("of no such partition", "one", 99, 0)
    fetch("of no such topic", "gone", 0, 0)
    fetch("from a later epoch", "one", 0, 0, epoch=99)
    fetch("in no session", "one", 0, 0, session=(77, 1))

    def producers(name, topic_name, partition):
        request = {"topics": [{"name": topic_name, "partitionIndexes": [partition]}]}
        return ask(f"DescribeProducers: {name}", "DescribeProducers", 0, request)

    producers("none", "one", 0)
    producers("of no such partition", "one", 99)
    producers("of no such topic", "gone", 0)

    def producer_id(name, transactional, timeout, known=(-1, -1)):
        request = {
            "transactionalId": transactional,
            "transactionTimeoutMs": timeout,
            "producerId": known[0],
            "producerEpoch": known[1],
        }
        return ask(f"InitProducerId: {name}", "InitProducerId", 4, request)

    producer_id("new", None, 60000)
    producer_id("again", None, 60000, (0, 0))


def classic_groups(ask):
    def find(name, kind, *keys):
        request = {"keyType": kind, "coordinatorKeys": list(keys)}
        return ask(f"FindCoordinator: {name}", "FindCoordinator", 4, request)

    find("of a group", 0, "group")
    find("of no name", 0, "")
    find("of an unknown kind", 9, "group")

    def join(name, group="group", member="", session=10000, protocols=("range",), **other):
        request = {
            "groupId": group,
            "sessionTimeoutMs": session,
            "rebalanceTimeoutMs": 10000,
            "memberId": member,
            "groupInstanceId": None,
            "protocolType": "consumer",
            "protocols": [{"name": p, "metadata": blob(b"\0\1\0\0\0\0")} for p in protocols],
            "reason": None,
            **other,
        }
        return ask(f"JoinGroup: {name}", "JoinGroup", 9, request)

    def sync(name, member, generation, group="group", assignments=(), **other):
        request = {
            "groupId": group,
            "generationId": generation,
            "memberId": member,
            "groupInstanceId": None,
            "protocolType": "consumer",
            "protocolName": "range",
            "assignments": [{"memberId": m, "assignment": blob(a)} for m, a in assignments],
            **other,
        }
        return ask(f"SyncGroup: {name}", "SyncGroup", 5, request)

    def beat(name, member, generation, group="group", instance=None):
        request = {
            "groupId": group,
            "generationId": generation,
            "memberId": member,
            "groupInstanceId": instance,
        }
        return ask(f"Heartbeat: {name}", "Heartbeat", 4, request)

    def leave(name, *members, group="group"):
        rows = [{"memberId": m, "groupInstanceId": i, "reason": None} for m, i in members]
        return ask(f"LeaveGroup: {name}", "LeaveGroup", 5, {"groupId": group, "members": rows})

    def describe(name, *groups):
        request = {"groups": list(groups), "includeAuthorizedOperations": False}
        return ask(f"DescribeGroups: {name}", "DescribeGroups", 6, request)

    def groups(name, states=(), kinds=()):
        request = {"statesFilter": list(states), "typesFilter": list(kinds)}
        return ask(f"ListGroups: {name}", "ListGroups", 5, request)

    join("no name", group="")
    join("a session that is too short", session=1)
    join("a session that is too long", session=100_000_000)
    join("as a member of nothing", member="somebody")
    join("without protocols", protocols=())
    beat("of no group", "somebody", 1)
    sync("of no group", "somebody", 1)
    leave("of no group", ("somebody", None))
    describe("no group", "nothing")
    first = join("takes an id first")
    member = first["memberId"]
    joined = join("with its id", member=member)
    generation = joined["generationId"]
    groups("while it syncs")
    sync("of another generation", member, 99)
    sync("of another member", "somebody", generation)
    sync("of another protocol", member, generation, protocolName="sticky")
    sync("of another kind", member, generation, protocolType="connect")
    sync("well", member, generation, assignments=[(member, b"all of it")])
    sync("again", member, generation)
    beat("well", member, generation)
    beat("of another generation", member, 99)
    beat("of another member", "somebody", generation)
    beat("as somebody static", member, generation, instance="nobody")
    join("of another kind", protocolType="connect")
    join("with another protocol", protocols=("unknown",))
    groups("all")
    groups("stable ones", states=["Stable"])
    groups("of a state that there is not", states=["Sleepy"])
    groups("classic ones", kinds=["classic"])
    groups("of a kind that there is not", kinds=["odd"])
    describe("it", "group")
    delete_groups(ask, "with members", "group")

    commit(ask, "well", "group", "one", 0, 0, member, generation)
    commit(ask, "of another generation", "group", "one", 0, 0, member, 99)
    commit(ask, "of another member", "group", "one", 0, 0, "somebody", generation)
    commit(ask, "of nobody, while it has members", "group", "one", 0, 0)
    commit(ask, "for a topic that is gone", "group", "gone", 0, 0, member, generation)
    commit(ask, "for no such partition", "group", "one", 99, 0, member, generation)
    commit(ask, "with much to say", "group", "one", 0, 0, member, generation, "m" * 5000)
    leave("somebody else", ("somebody", None))
    leave("as somebody static", ("", "nobody"))
    leave("well", (member, None))
    leave("again", (member, None))
    describe("without members", "group")

    static = join("static", group="static", groupInstanceId="fixed")
    join("static again, under another id", group="static", member="somebody", groupInstanceId="fixed")
    beat("under another id", "somebody", static["generationId"], "static", "fixed")
    leave("a static one", ("", "fixed"), group="static")


def commit(ask, name, group, topic_name, partition, offset, member="", generation=-1, note=""):
    row = {
        "partitionIndex": partition,
        "committedOffset": offset,
        "committedLeaderEpoch": -1,
        "committedMetadata": note,
    }
    request = {
        "groupId": group,
        "generationIdOrMemberEpoch": generation,
        "memberId": member,
        "groupInstanceId": None,
        "topics": [{"name": topic_name, "partitions": [row]}],
    }
    return ask(f"OffsetCommit: {name}", "OffsetCommit", 9, request)


def delete_groups(ask, name, *groups):
    return ask(f"DeleteGroups: {name}", "DeleteGroups", 2, {"groupsNames": list(groups)})


def offsets(ask):
    def fetch(name, group, topics, member=None, epoch=-1):
        rows = topics and [{"name": t, "partitionIndexes": p} for t, p in topics]
        group = {"groupId": group, "memberId": member, "memberEpoch": epoch, "topics": rows}
        request = {"groups": [group], "requireStable": True}
        return ask(f"OffsetFetch: {name}", "OffsetFetch", 9, request)

    commit(ask, "of nobody", "simple", "one", 1, 7, note="a note")
    commit(ask, "of nobody, at -1", "simple", "one", 2, -1)
    commit(ask, "of a group without name", "", "one", 0, 0)
    commit(ask, "of a member of nothing", "nothing", "one", 0, 0, "somebody", 3)
    fetch("all", "simple", None)
    fetch("some", "simple", [("one", [0, 1, 99]), ("gone", [0])])
    fetch("of no group", "nothing", [("one", [0])])
    fetch("as a member", "simple", None, "somebody", 3)

    def delete(name, group, *rows):
        topics = [{"name": t, "partitions": [{"partitionIndex": p}]} for t, p in rows]
        return ask(
            f"OffsetDelete: {name}", "OffsetDelete", 0, {"groupId": group, "topics": topics}
        )

    delete("one", "simple", ("one", 1))
    delete("gone", "simple", ("one", 1))
    delete("of no such topic", "simple", ("gone", 0))
    delete("of no group", "nothing", ("one", 0))
    delete("of no name", "", ("one", 0))
    delete_groups(ask, "one", "simple")
    delete_groups(ask, "gone", "simple", "nothing")
    delete_groups(ask, "no name", "")


def consumer_groups(ask):
    def beat(name, member, epoch, group="modern", version=1, **other):
        request = {
            "groupId": group,
            "memberId": member,
            "memberEpoch": epoch,
            "instanceId": None,
            "rackId": None,
            "rebalanceTimeoutMs": -1,
            "subscribedTopicNames": None,
            "subscribedTopicRegex": None,
            "serverAssignor": None,
            "topicPartitions": None,
            **other,
        }
        if version < 1:
            del request["subscribedTopicRegex"]
        return ask(f"ConsumerGroupHeartbeat: {name}", "ConsumerGroupHeartbeat", version, request)

    wish = {"rebalanceTimeoutMs": 10000, "subscribedTopicNames": ["one"], "topicPartitions": []}
    member = "AAAAAAAAAAAAAAAAAAAACw"
    beat("no name", member, 0, group="", **wish)
    beat("no id", "", 0, **wish)
    beat("no time", member, 0, **{**wish, "rebalanceTimeoutMs": -1})
    beat("no topics", member, 0, **{**wish, "subscribedTopicNames": None})
    beat("an empty list of topics", member, 0, **{**wish, "subscribedTopicNames": []})
    beat("nothing of what it has", member, 0, **{**wish, "topicPartitions": None})
    beat("an unknown assignor", member, 0, **{**wish, "serverAssignor": "random"})
    beat("a bad pattern", member, 0, **{**wish, "subscribedTopicRegex": "(("})
    beat("an empty instance", member, 0, **{**wish, "instanceId": ""})
    beat("an epoch that there is not", member, -7)
    beat("of no group", member, 3)
    joined = beat("joins", member, 0, **wish)
    epoch = joined["memberEpoch"]
    held = (joined["assignment"] or {}).get("topicPartitions", [])
    beat("lives", member, epoch, topicPartitions=held)
    beat("says everything", member, epoch, **{**wish, "topicPartitions": held})
    beat("from the future", member, epoch + 5)
    beat("of another member", "somebody", epoch)
    beat("static, of nobody", member, epoch, instanceId="nobody")

    def describe(name, *groups):
        request = {"groupIds": list(groups), "includeAuthorizedOperations": False}
        return ask(f"ConsumerGroupDescribe: {name}", "ConsumerGroupDescribe", 1, request)

    describe("it", "modern")
    describe("no group", "nothing")
    describe("a classic one", "static")
    commit(ask, "of a member of the consumer protocol", "modern", "one", 0, 0, member, epoch)
    commit(ask, "of an old epoch of the consumer protocol", "modern", "one", 0, 0, member, epoch + 3)
    ask(
        "ListGroups: of the consumer protocol",
        "ListGroups",
        5,
        {"statesFilter": [], "typesFilter": ["consumer"]},
    )
    beat("leaves", member, -1)
    beat("leaves again", member, -1)
    describe("without members", "modern")
    delete_groups(ask, "of the consumer protocol", "modern")


def quotas(ask):
    def alter(name, entity, *ops, validate=False):
        parts = [{"entityType": t, "entityName": n} for t, n in entity]
        rows = [{"key": k, "value": float(v or 0), "remove": v is None} for k, v in ops]
        request = {"entries": [{"entity": parts, "ops": rows}], "validateOnly": validate}
        return ask(f"AlterClientQuotas: {name}", "AlterClientQuotas", 1, request)

    def describe(name, *components, strict=False):
        rows = [{"entityType": t, "matchType": m, "match": n} for t, m, n in components]
        request = {"components": rows, "strict": strict}
        return ask(f"DescribeClientQuotas: {name}", "DescribeClientQuotas", 1, request)

    alice = ("user", "alice")
    alter("of a user", [alice], ("producer_byte_rate", 1024.0), ("request_percentage", 12.5))
    alter("of everybody else", [("user", None)], ("consumer_byte_rate", 4096.0))
    alter("of a client of a user", [alice, ("client-id", "app")], ("producer_byte_rate", 10.0))
    alter("of an address", [("ip", "127.0.0.1")], ("connection_creation_rate", 7.0))
    alter("only to be validated", [alice], ("producer_byte_rate", 1.0), validate=True)
    alter("an unknown one", [alice], ("speed", 1.0))
    alter("below zero", [alice], ("producer_byte_rate", -1.0))
    alter("part of a byte", [alice], ("producer_byte_rate", 1.5))
    alter("an address's of a user", [alice], ("connection_creation_rate", 1.0))
    alter("of an address and a user", [alice, ("ip", "127.0.0.1")], ("producer_byte_rate", 1.0))
    alter("of a user twice", [alice, alice], ("producer_byte_rate", 1024.0))
    alter("of nobody", [], ("producer_byte_rate", 1.0))
    alter("of an unknown kind", [("group", "g")], ("producer_byte_rate", 1.0))
    alter("of no address", [("ip", "nowhere at all")], ("connection_creation_rate", 1.0))
    alter("take away what is not there", [alice], ("controller_mutation_rate", None))
    exact, default, anything = range(3)
    describe("all")
    describe("nothing, strictly", strict=True)
    describe("of a user", ("user", exact, "alice"))
    describe("of a user alone", ("user", exact, "alice"), strict=True)
    describe("of any user", ("user", anything, None))
    describe("of everybody else", ("user", default, None))
    describe("of any client of a user", ("user", exact, "alice"), ("client-id", anything, None))
    describe("of nobody's name", ("user", exact, None))
    describe("of everybody else by name", ("user", default, "alice"))
    describe("of an unknown match", ("user", 9, None))
    describe("of an unknown kind", ("group", anything, None))
    describe("of a user twice", ("user", anything, None), ("user", default, None))
    describe("of an address and a user", ("ip", anything, None), ("user", anything, None))
    alter("take all away", [alice], ("producer_byte_rate", None), ("request_percentage", None))
    describe("what is left of a user", ("user", exact, "alice"), strict=True)


def cluster(ask):
    def elect(name, kind, topics):
        rows = topics and [{"topic": t, "partitions": p} for t, p in topics]
        request = {"electionType": kind, "topicPartitions": rows, "timeoutMs": 10000}
        return ask(f"ElectLeaders: {name}", "ElectLeaders", 2, request)

    elect("where there is no need", 0, [("one", [0, 1])])
    elect("any, where there is no need", 1, [("one", [0])])
    elect("of no such partition", 0, [("one", [99]), ("gone", [0])])
    elect("everywhere", 0, None)
    elect("of an unknown kind", 5, [("one", [0])])

    def update(name, version, *wanted):
        rows = [{"feature": f, "maxVersionLevel": v, "upgradeType": u} for f, v, u in wanted]
        request = {"timeoutMs": 10000, "featureUpdates": rows, "validateOnly": False}
        return ask(f"UpdateFeatures: {name}", "UpdateFeatures", version, request)

    update("what is on", 1, ("group.version", 1, 1))
    update("what there is not", 1, ("no.such.feature", 1, 1))
    update("to what there is not", 1, ("group.version", 9, 1))
    update("in no direction", 1, ("group.version", 1, 9))
    update("nothing", 2)

    def quorum(name, topic_name, partition):
        request = {"topics": [{"topicName": topic_name, "partitions": [{"partitionIndex": partition}]}]}
        return ask(f"DescribeQuorum: {name}", "DescribeQuorum", 2, request)

    quorum("of no such topic", "one", 0)
    quorum("of no such partition", "__cluster_metadata", 7)

    def moves(name, topics):
        rows = topics and [{"name": t, "partitionIndexes": p} for t, p in topics]
        request = {"timeoutMs": 10000, "topics": rows}
        return ask(f"ListPartitionReassignments: {name}", "ListPartitionReassignments", 0, request)

    moves("all", None)
    moves("of no such topic", [("gone", [0])])

    def resources(name, version, kinds=()):
        request = {} if version < 1 else {"resourceTypes": list(kinds)}
        return ask(f"ListConfigResources: {name}", "ListConfigResources", version, request)

    resources("of metrics", 0)
    resources("brokers", 1, [4])
    resources("of an unknown kind", 1, [99])

    def dirs(name, topics):
        rows = topics and [{"topic": t, "partitions": p} for t, p in topics]
        return ask(f"DescribeLogDirs: {name}", "DescribeLogDirs", 4, {"topics": rows})

    dirs("of one", [("one", [0, 1])])
    dirs("of what is not there", [("one", [99]), ("gone", [0])])
    nodes = {"includeClusterAuthorizedOperations": False, "endpointType": 1, "includeFencedBrokers": False}
    ask("DescribeCluster: brokers", "DescribeCluster", 2, nodes)
    ask("DescribeCluster: an unknown kind", "DescribeCluster", 2, {**nodes, "endpointType": 9})

    def versions(name, software):
        request = {"clientSoftwareName": software, "clientSoftwareVersion": "1"}
        return ask(f"ApiVersions: {name}", "ApiVersions", 3, request)

    versions("without a proper name", "a name")
