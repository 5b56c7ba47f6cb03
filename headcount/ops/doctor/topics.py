"""Checks of Kafka's version and of the topics: retention, compaction, replication."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from headcount.ops.doctor.finding import Judgement, ok, problem, warning
from ingest.kafka.topics import MILLISECONDS_A_DAY


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionFacts:
    """The replicas of a partition, and how many of them are in sync."""

    number: int
    has_leader: bool
    replicas: int
    in_sync: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """A topic and its configuration, with values in Kafka's own notation."""

    name: str
    options: Mapping[str, str]


WANTED_METADATA: Final = 12
UNLIMITED: Final = -1
SHORTEST_DAYS: Final = 1
MILLISECONDS_AN_HOUR: Final = 3_600_000


def check_kafka_version(metadata_version: int) -> Judgement:
    """Check Kafka's version by the requests that it supports, since it does not report its version."""
    found = f"It supports Metadata up to version {metadata_version}"
    if metadata_version < WANTED_METADATA:
        return problem(
            f"{found}: too old to report topic ids, by which a worker detects a recreated topic.",
            "Upgrade Kafka to 3.1 or newer.",
        )
    return ok(f"{found}, which workers need.")


def check_topics(missing: Sequence[str]) -> Judgement:
    """Check that all topics exist."""
    if missing:
        return problem(
            f"Missing, or hidden from this user: {', '.join(missing)}.",
            "Start a worker, which creates them, or create them. Grant the Kafka user the right Describe on "
            "them.",
        )
    return ok("All three topics exist.")


def check_timestamps(topic: Topic) -> Judgement:
    """Check whose clock the timestamps of records come from."""
    if topic.options.get("message.timestamp.type") == "LogAppendTime":
        return ok("Kafka sets the timestamps of records (LogAppendTime).")
    return warning(
        f"Producers set the timestamps of {topic.name} (CreateTime): retention follows their clocks, and a "
        "future-dated event may be counted differently when the log is read again.",
        "Set the topic's message.timestamp.type to LogAppendTime.",
    )


def check_retention_time(facts: tuple[Topic, int]) -> Judgement:
    """Compare the topic's retention with the days that a rebuild must restore; 0 is for ever."""
    topic, days = facts
    kept = int(topic.options.get("retention.ms", UNLIMITED))
    if kept == UNLIMITED:
        return ok("Records are kept for ever.")
    found = f"Records of {topic.name} are kept for {_span(kept)} (retention.ms)"
    wanted = days * MILLISECONDS_A_DAY if days else UNLIMITED
    advice = f"Set the topic's retention.ms to {wanted}, which RETENTION_DAYS={days} needs."
    if kept < SHORTEST_DAYS * MILLISECONDS_A_DAY:
        return problem(f"{found}: events are lost if no worker runs for longer.", advice)
    if not days or kept < wanted:
        shown = f"all {days} days" if days else "all days"
        return warning(f"{found}: a rebuild after a loss of Redis can't restore {shown}.", advice)
    return ok(f"{found}: enough for the {days} days of RETENTION_DAYS.")


def check_retention_size(topic: Topic) -> Judgement:
    """Check that no size limit shortens the retention time when traffic rises."""
    size = int(topic.options.get("retention.bytes", UNLIMITED))
    if size == UNLIMITED:
        return ok("No size limit shortens the retention.")
    return warning(
        f"A partition of {topic.name} keeps {size:,} bytes (retention.bytes): how many days that covers "
        "depends on traffic.",
        "Set the topic's retention.bytes to -1, or monitor that the oldest record stays older than "
        "RETENTION_DAYS.",
    )


def check_compaction(topic: Topic) -> Judgement:
    """Check that the topic is not compacted: compaction keeps only the newest record of each key."""
    policy = topic.options.get("cleanup.policy", "delete")
    if "compact" in policy:
        return problem(
            f"cleanup.policy of {topic.name} is {policy}: Kafka removes all but the newest record of each "
            "key.",
            "Set the topic's cleanup.policy to delete; records that were compacted already are lost.",
        )
    return ok(f"cleanup.policy of {topic.name} is {policy}.")


def check_erasures_kept(topic: Topic) -> Judgement:
    """Check that the erasure log is only compacted: deletion by age or size would end erasures."""
    policy = topic.options.get("cleanup.policy", "delete")
    if policy != "compact":
        return problem(
            f"cleanup.policy of {topic.name} is {policy}: Kafka removes records of forgotten people.",
            "Set the topic's cleanup.policy to compact, then start a worker, which adds the missing ones.",
        )
    return ok(f"cleanup.policy of {topic.name} is {policy}.")


def check_replication_factor(facts: tuple[tuple[Topic, Sequence[PartitionFacts]], int]) -> Judgement:
    """Check the replicas of each partition, and how many of them hold an acknowledged event."""
    (topic, partitions), brokers = facts
    replicas = min(each.replicas for each in partitions)
    acknowledged = int(topic.options.get("min.insync.replicas", 1))
    found = f"{topic.name} has {replicas} replicas on {brokers} brokers, min.insync.replicas {acknowledged}"
    if replicas == 1:
        return _judge_single(found, brokers)
    if acknowledged >= replicas:
        return warning(
            f"{found}: no event can be published while any broker is down.",
            f"Set the topic's min.insync.replicas to {replicas - 1}.",
        )
    if acknowledged == 1:
        return warning(
            f"{found}: an acknowledged event may be on one broker only, and be lost with it.",
            "Set the topic's min.insync.replicas to 2, and have producers use acks=all.",
        )
    return ok(f"{found}.")


def _judge_single(found: str, brokers: int) -> Judgement:
    if brokers == 1:
        return ok(f"{found}: the log is only as safe as that broker's disk.")
    return warning(
        f"{found}: the loss of one broker's disk loses a part of the log.",
        "Raise the topic's replication factor to 3 with kafka-reassign-partitions.sh.",
    )


def check_partition_health(partitions: Sequence[PartitionFacts]) -> Judgement:
    """Check that every partition has a leader and all its replicas in sync."""
    silent = [each.number for each in partitions if not each.has_leader]
    thin = [each.number for each in partitions if each.in_sync < each.replicas]
    if silent:
        return problem(
            f"Partitions without a leader: {_numbers(silent)}.",
            "Restart the brokers that hold them: these partitions can be neither read nor written.",
        )
    if thin:
        return warning(
            f"Partitions with replicas that are behind or down: {_numbers(thin)}.",
            "Check the brokers: until they have caught up, another failure may lose events.",
        )
    return ok(f"All {len(partitions)} partitions have a leader and all their replicas.")


def _numbers(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))


def _span(milliseconds: int) -> str:
    if milliseconds < MILLISECONDS_A_DAY:
        return f"{milliseconds / MILLISECONDS_AN_HOUR:,.1f} hours"
    return f"{milliseconds / MILLISECONDS_A_DAY:,.1f} days"
