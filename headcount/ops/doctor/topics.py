"""Checks of Kafka's version and of the topics: retention, compaction, replication."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from headcount.ops.doctor.finding import Judgement, ok, problem, warning
from ingest.kafka.topics import MILLISECONDS_A_DAY


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionFacts:
    """How many brokers are to hold a partition, and how many do at the moment."""

    number: int
    has_leader: bool
    replicas: int
    in_sync: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """A topic and its configuration, whose values are as Kafka writes them."""

    name: str
    options: Mapping[str, str]


WANTED_METADATA: Final = 12
UNLIMITED: Final = -1
SHORTEST_DAYS: Final = 1
MILLISECONDS_AN_HOUR: Final = 3_600_000


def check_kafka_version(metadata_version: int) -> Judgement:
    """Kafka tells no version; the requests that it answers do."""
    found = f"It answers Metadata up to version {metadata_version}"
    if metadata_version < WANTED_METADATA:
        return problem(
            f"{found}: too old to tell a topic's id, which tells one that was recreated.",
            "Upgrade Kafka to 3.1 or newer.",
        )
    return ok(f"{found}: all that workers ask of it.")


def check_topics(missing: Sequence[str]) -> Judgement:
    """Look for all topics."""
    if missing:
        return problem(
            f"Missing, or hidden from us: {', '.join(missing)}.",
            "Start a worker, which makes them; or make them, and give our Kafka user the right to describe "
            "them.",
        )
    return ok("All three topics are there.")


def check_timestamps(topic: Topic) -> Judgement:
    """Look at whose clock stamps the records."""
    if topic.options.get("message.timestamp.type") == "LogAppendTime":
        return ok("Kafka stamps the records (LogAppendTime).")
    return warning(
        f"Producers stamp the records of {topic.name} (CreateTime): retention follows their clocks, and an "
        "event of "
        "the future may be judged otherwise when the log is read again.",
        "Set message.timestamp.type of the topic to LogAppendTime.",
    )


def check_retention_time(facts: tuple[Topic, int]) -> Judgement:
    """Hold the topic's retention against the days that a rebuild is to bring back; 0 is for ever."""
    topic, days = facts
    kept = int(topic.options.get("retention.ms", UNLIMITED))
    if kept == UNLIMITED:
        return ok("Records are kept for ever.")
    found = f"Records of {topic.name} are kept for {_span(kept)} (retention.ms)"
    wanted = days * MILLISECONDS_A_DAY if days else UNLIMITED
    advice = f"Set retention.ms of the topic to {wanted}, which is what RETENTION_DAYS={days} needs."
    if kept < SHORTEST_DAYS * MILLISECONDS_A_DAY:
        return problem(f"{found}: events are lost if no worker runs for that long.", advice)
    if not days or kept < wanted:
        shown = f"the {days} days" if days else "all the days"
        return warning(f"{found}: less than {shown} that a lost Redis should get back.", advice)
    return ok(f"{found}: enough for the {days} days of RETENTION_DAYS.")


def check_retention_size(topic: Topic) -> Judgement:
    """A bound in bytes may cut the time short at any rush."""
    size = int(topic.options.get("retention.bytes", UNLIMITED))
    if size == UNLIMITED:
        return ok("No size bounds how long records are kept.")
    return warning(
        f"A partition of {topic.name} keeps {size:,} bytes (retention.bytes): how many days that is "
        "depends on traffic.",
        "Set retention.bytes of the topic to -1, or watch that the oldest record stays older than "
        "RETENTION_DAYS.",
    )


def check_compaction(topic: Topic) -> Judgement:
    """Compaction keeps the newest record of a key: of a log of events it makes holes."""
    policy = topic.options.get("cleanup.policy", "delete")
    if "compact" in policy:
        return problem(
            f"cleanup.policy of {topic.name} is {policy}: of all records with one key, Kafka removes all "
            "but the newest.",
            "Set cleanup.policy of the topic to delete; what was compacted already is gone from the log.",
        )
    return ok(f"cleanup.policy of {topic.name} is {policy}.")


def check_erasures_kept(topic: Topic) -> Judgement:
    """Deletion by age or size would end erasures: the newest record of each person is to stay for ever."""
    policy = topic.options.get("cleanup.policy", "delete")
    if policy != "compact":
        return problem(
            f"cleanup.policy of {topic.name} is {policy}: Kafka removes records of who is to be forgotten.",
            "Set cleanup.policy of the topic to compact, then start a worker: it adds what Redis still has.",
        )
    return ok(f"cleanup.policy of {topic.name} is {policy}.")


def check_replication_factor(facts: tuple[tuple[Topic, Sequence[PartitionFacts]], int]) -> Judgement:
    """Look at the copies of each partition, and how many of them an acknowledged event is on."""
    (topic, partitions), brokers = facts
    replicas = min(each.replicas for each in partitions)
    acknowledged = int(topic.options.get("min.insync.replicas", 1))
    found = f"{topic.name} has {replicas} replicas on {brokers} brokers, min.insync.replicas {acknowledged}"
    if replicas == 1:
        return _judge_single(found, brokers)
    if acknowledged >= replicas:
        return warning(
            f"{found}: while any broker is away, nothing can be published.",
            f"Set min.insync.replicas of the topic to {replicas - 1}.",
        )
    if acknowledged == 1:
        return warning(
            f"{found}: an acknowledged event may be on one broker alone, and lost with it.",
            "Set min.insync.replicas of the topic to 2, and have producers send with acks=all.",
        )
    return ok(f"{found}.")


def _judge_single(found: str, brokers: int) -> Judgement:
    if brokers == 1:
        return ok(f"{found}: the log is as safe as that broker's disk.")
    return warning(
        f"{found}: whoever loses one broker's disk loses a part of the log.",
        "Raise the topic's replication factor to 3 with kafka-reassign-partitions.sh.",
    )


def check_partition_health(partitions: Sequence[PartitionFacts]) -> Judgement:
    """Look for partitions that can't be read, or that fewer brokers hold than should."""
    silent = [each.number for each in partitions if not each.has_leader]
    thin = [each.number for each in partitions if each.in_sync < each.replicas]
    if silent:
        return problem(
            f"Partitions without a leader: {_numbers(silent)}.",
            "Bring the brokers back that hold them: these partitions can be neither read nor written.",
        )
    if thin:
        return warning(
            f"Partitions with replicas that are behind or away: {_numbers(thin)}.",
            "Look at the brokers: until they have caught up, one more that fails may lose events.",
        )
    return ok(f"All {len(partitions)} partitions have a leader and all their replicas.")


def _numbers(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))


def _span(milliseconds: int) -> str:
    if milliseconds < MILLISECONDS_A_DAY:
        return f"{milliseconds / MILLISECONDS_AN_HOUR:,.1f} hours"
    return f"{milliseconds / MILLISECONDS_A_DAY:,.1f} days"
