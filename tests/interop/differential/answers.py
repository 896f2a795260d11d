"""Answers, without what may differ from one broker to the next."""

NO_ID = "AAAAAAAAAAAAAAAAAAAAAA"

# What time, place and chance decide. Where nothing stands, nothing must stand in the other's answer.
VOLATILE = {
    "clusterId",
    "finalizedFeaturesEpoch",
    "generatedNames",
    "host",
    "lastUpdateTimestamp",
    "logDir",
    "memberId",
    "nodeId",
    "port",
    "producerId",
    "protocolData",
    "sessionId",
    "totalBytes",
    "usableBytes",
    "leader",
}

# Settings of what we do not have: tiered storage, share groups. The last one is Kafka 4.4's newest.
NOT_OURS = {
    "errors.deadletterqueue.group.enable",
    "local.retention.bytes",
    "local.retention.ms",
    "remote.copy.lag.bytes",
    "remote.copy.lag.ms",
    "remote.log.copy.disable",
    "remote.log.delete.on.disable",
    "max.decompressed.message.bytes",
}

# As a setting of all brokers, or in each one's file.
SET_FOR_ALL = {3, 4}

# How long to wait, how much lies on a disk.
LEFT_OUT = {"throttleTimeMs", "partitionSize", "acceptableRecoveryLag", "heartbeatIntervalMs"}


def plain(answer, field=None):
    """An answer to compare."""
    if isinstance(answer, dict):
        rows = {k: plain(v, k) for k, v in answer.items() if k not in LEFT_OUT}
        if rows.get("name") == "min.insync.replicas" and rows.get("configSource") in SET_FOR_ALL:
            # Kafka keeps it as a setting of the cluster since it has eligible leader replicas.
            rows["configSource"] = "set for all"
        return rows
    if isinstance(answer, list):
        named = [row for row in answer if isinstance(row, dict) and row.get("name") in NOT_OURS]
        rows = [plain(row, field) for row in answer if row not in named]
        # Sets in fact.
        return sorted(rows, key=repr)
    if field in ("errorMessage", "errorMessages"):
        return None if answer in (None, "") else "some words"
    if field in ("topicId", "memberId") and answer not in (None, "", NO_ID):
        return "an id"
    if field in VOLATILE and answer not in (None, ""):
        return "something"
    return answer


def differences(one, other, path=""):
    """Where two answers differ, in words."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted({*one, *other}):
            yield from differences(one.get(key), other.get(key), f"{path}.{key}")
    elif isinstance(one, list) and isinstance(other, list) and len(one) != len(other):
        extra = [row for row in one if row not in other]
        missing = [row for row in other if row not in one]
        yield f"{path.lstrip('.')}: too much {str(extra)[:300]}, missing {str(missing)[:300]}"
    elif isinstance(one, list) and isinstance(other, list):
        for index, (a, b) in enumerate(zip(one, other)):
            yield from differences(a, b, f"{path}[{index}]")
    elif path.endswith(".errorMessage") and other is None:
        return  # We may say more than Kafka does.
    elif one != other:
        yield f"{path.lstrip('.')}: {str(one)[:120]}, in Kafka {str(other)[:120]}"
