"""The doctor on Kafka and its topics."""

import pytest

from headcount.ops.doctor.finding import Verdict
from headcount.ops.doctor.topics import (
    check_compaction,
    check_kafka_version,
    check_partition_health,
    check_replication_factor,
    check_retention_size,
    check_retention_time,
    check_timestamps,
    check_topics,
)
from tests.support.doctor_facts import partition, topic

DAY = 86_400_000


@pytest.mark.parametrize(("version", "verdict"), [(0, "problem"), (11, "problem"), (12, "ok"), (13, "ok")])
def test_a_kafka_that_reports_no_topic_ids_is_a_problem(version: int, verdict: Verdict) -> None:
    assert check_kafka_version(version).verdict == verdict


def test_a_missing_topic_is_named() -> None:
    assert check_topics([]).verdict == "ok"
    found = check_topics(["a.dlq"])
    assert (found.verdict, "a.dlq" in found.found) == ("problem", True)


@pytest.mark.parametrize(("kind", "verdict"), [("LogAppendTime", "ok"), ("CreateTime", "warning")])
def test_producers_stamps_are_a_warning(kind: str, verdict: Verdict) -> None:
    assert check_timestamps(topic(message_timestamp_type=kind)).verdict == verdict


@pytest.mark.parametrize(
    ("kept", "days", "verdict"),
    [
        (-1, 400, "ok"),
        (-1, 0, "ok"),
        (400 * DAY, 400, "ok"),
        (400 * DAY - 1, 400, "warning"),
        (400 * DAY, 0, "warning"),
        (DAY, 400, "warning"),
        (DAY, 1, "ok"),
        (DAY - 1, 400, "problem"),
        (DAY - 1, 0, "problem"),
        (3_600_000, 1, "problem"),
    ],
)
def test_retention_is_compared_with_the_days_to_rebuild(kept: int, days: int, verdict: Verdict) -> None:
    assert check_retention_time((topic(retention_ms=str(kept)), days)).verdict == verdict


@pytest.mark.parametrize(("days", "wanted"), [(400, str(400 * DAY)), (0, "-1")])
def test_the_advice_on_retention_is_the_value_to_set(days: int, wanted: str) -> None:
    advice = check_retention_time((topic(retention_ms="3600000"), days)).advice
    assert f"to {wanted}," in str(advice)


@pytest.mark.parametrize(("size", "verdict"), [("-1", "ok"), ("1073741824", "warning")])
def test_a_bound_in_bytes_is_a_warning(size: str, verdict: Verdict) -> None:
    assert check_retention_size(topic(retention_bytes=size)).verdict == verdict


@pytest.mark.parametrize(
    ("policy", "verdict"), [("delete", "ok"), ("compact", "problem"), ("compact,delete", "problem")]
)
def test_compaction_is_a_problem(policy: str, verdict: Verdict) -> None:
    assert check_compaction(topic(cleanup_policy=policy)).verdict == verdict


@pytest.mark.parametrize(
    ("replicas", "brokers", "acknowledged", "verdict"),
    [
        (1, 1, "1", "ok"),
        (1, 3, "1", "warning"),
        (3, 3, "2", "ok"),
        (3, 3, "1", "warning"),
        (3, 3, "3", "warning"),
        (2, 3, "2", "warning"),
    ],
)
def test_replicas_and_acknowledgements_are_compared(
    replicas: int, brokers: int, acknowledged: str, verdict: Verdict
) -> None:
    partitions = [partition(0), partition(1, replicas=replicas)]
    facts = topic(min_insync_replicas=acknowledged)
    assert check_replication_factor(((facts, partitions), brokers)).verdict == verdict


def test_partitions_without_a_leader_or_behind_are_named() -> None:
    sound = partition(0)
    assert check_partition_health([sound]).verdict == "ok"
    thin = check_partition_health([sound, partition(7, in_sync=2)])
    assert (thin.verdict, "behind or down: 7" in thin.found) == ("warning", True)
    silent = check_partition_health([sound, partition(7, in_sync=2), partition(8, has_leader=False)])
    assert (silent.verdict, "a leader: 8" in silent.found) == ("problem", True)
