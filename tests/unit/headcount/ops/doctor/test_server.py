"""The doctor on Redis itself: version, eviction, encodings, replication, and what it counts for."""

import pytest

from headcount.ops.doctor.finding import Verdict
from headcount.ops.doctor.server import (
    check_eviction,
    check_replication,
    check_role,
    check_sets,
    check_sketches,
    check_version,
    read_server,
)
from tests.support.doctor_facts import OPTIONS, replication, server


@pytest.mark.parametrize(
    ("version", "verdict"),
    [
        ("6.2.14", "problem"),
        ("7.0.0", "ok"),
        ("7.2.4", "ok"),
        ("10.0", "ok"),
        ("", "unknown"),
        ("unstable", "unknown"),
    ],
)
def test_an_old_redis_is_a_problem(version: str, verdict: Verdict) -> None:
    assert check_version(server(version=version)).verdict == verdict


@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-ttl", "allkeys-random"])
def test_a_redis_that_evicts_is_a_problem(policy: str) -> None:
    found = check_eviction(server(eviction_policy=policy))
    assert found.verdict == "problem"
    assert policy in found.found
    assert "noeviction" in str(found.advice)


def test_a_redis_that_never_evicts_is_well() -> None:
    assert check_eviction(server()).verdict == "ok"


@pytest.mark.parametrize(("entries", "verdict"), [("511", "warning"), ("512", "ok"), ("4096", "ok")])
def test_sets_are_compact_up_to_512_integers(entries: str, verdict: Verdict) -> None:
    assert check_sets({**OPTIONS, "set-max-intset-entries": entries}).verdict == verdict


@pytest.mark.parametrize(
    ("size", "verdict"),
    [
        ("0", "warning"),
        ("499", "warning"),
        ("500", "ok"),
        ("3000", "ok"),
        ("16000", "ok"),
        ("16001", "warning"),
    ],
)
def test_counters_are_sparse_within_bounds(size: str, verdict: Verdict) -> None:
    assert check_sketches({**OPTIONS, "hll-sparse-max-bytes": size}).verdict == verdict


def test_options_that_a_hosted_redis_does_not_tell_count_as_the_defaults() -> None:
    assert [check({}).verdict for check in (check_sets, check_sketches)] == ["ok", "ok"]
    assert check_replication((replication(), {})).verdict == "ok"


def test_a_replica_is_a_problem() -> None:
    assert check_role(replication(role="slave")).verdict == "problem"
    assert check_role(replication()).verdict == "ok"


@pytest.mark.parametrize(
    ("lags", "replicas", "wanted", "verdict"),
    [
        ((), 0, "0", "ok"),
        ((0, 10), 2, "1", "ok"),
        ((0, 11), 2, "1", "warning"),
        ((0,), 2, "1", "warning"),
        ((0,), 1, "2", "problem"),
        ((), 0, "1", "problem"),
    ],
)
def test_replicas_are_counted_and_their_silence_is_told(
    lags: tuple[int, ...], replicas: int, wanted: str, verdict: Verdict
) -> None:
    found = check_replication((replication(*lags, replicas=replicas), {"min-replicas-to-write": wanted}))
    assert found.verdict == verdict


def test_what_redis_says_of_itself_is_read() -> None:
    said = {
        "redis_version": "7.2.4",
        "server_name": "valkey",
        "valkey_version": "9.1.2",
        "maxmemory_policy": "allkeys-lru",
        "used_memory": 5,
        "maxmemory": 9,
        "aof_enabled": 1,
        "aof_last_write_status": "err",
        "role": "master",
        "connected_slaves": 3,
        "slave0": {"state": "online", "lag": 4},
        "slave1": {"state": "wait_bgsave", "lag": 0},
    }
    found = read_server(said)
    assert (found.name, found.version, found.eviction_policy) == ("Valkey 9.1.2", "7.2.4", "allkeys-lru")
    assert (found.memory.used, found.memory.limit, found.memory.machine) == (5, 9, 0)
    assert (found.persistence.appends, found.persistence.append_works) == (True, False)
    assert found.persistence.snapshot_works
    assert (found.replication.replicas, found.replication.lags) == (3, [4])


def test_a_redis_that_says_nothing_of_itself_is_read_as_harmless() -> None:
    found = read_server({})
    assert (found.eviction_policy, found.replication.role, found.persistence.append_works) == (
        "noeviction",
        "master",
        True,
    )
