"""Checks of the Redis server: version, role, eviction, encodings, replicas and restarts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from headcount.ops.doctor.finding import Judgement, ok, problem, unknown, warning
from headcount.ops.doctor.persistence import Memory, Persistence, _read_memory, _read_persistence
from projector.redis.server import OLDEST_VERSION, SAFE_POLICY


@dataclass(frozen=True, slots=True, kw_only=True)
class Replication:
    """`lags` are the seconds since each online replica last reported; `replicas` counts all of them."""

    role: str
    replicas: int
    lags: Sequence[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """The reply of INFO. `version` is that of Redis, or the one that a Valkey is compatible with."""

    name: str
    version: str
    eviction_policy: str
    memory: Memory
    persistence: Persistence
    replication: Replication


def read_server(info: Mapping[str, Any]) -> Server:
    """Parse the reply of INFO; a field that an old or hosted Redis lacks gets a harmless default."""
    is_valkey = info.get("server_name") == "valkey"
    return Server(
        name=f"Valkey {info.get('valkey_version')}" if is_valkey else f"Redis {info.get('redis_version')}",
        version=str(info.get("redis_version", "")),
        eviction_policy=str(info.get("maxmemory_policy", "noeviction")),
        memory=_read_memory(info),
        persistence=_read_persistence(info),
        replication=_read_replication(info),
    )


def _read_replication(info: Mapping[str, Any]) -> Replication:
    # Redis names them slave0, slave1, ... in its protocol.
    number = int(info.get("connected_slaves", 0))
    replicas = [info.get(f"slave{each}") for each in range(number)]
    online = [each for each in replicas if isinstance(each, dict) and each.get("state") == "online"]
    return Replication(
        role=str(info.get("role", "master")),
        replicas=number,
        lags=[int(each.get("lag", 0)) for each in online],
    )


MIN_INTSET_ENTRIES: Final = 512
MIN_SPARSE_BYTES: Final = 500
MAX_SPARSE_BYTES: Final = 16_000
"""Above it, adding to a sparse HyperLogLog costs more time than the memory is worth (Redis' manual)."""
LATE_REPLICA_SECONDS: Final = 10


def check_version(server: Server) -> Judgement:
    """Compare the version with the oldest that supports the scripts and the users' rights."""
    oldest = ".".join(map(str, OLDEST_VERSION))
    try:
        version = tuple(int(part) for part in server.version.split(".")[:2])
    except ValueError:
        return unknown(f"It reports no valid version: {server.version!r}.")
    if version < OLDEST_VERSION:
        return problem(f"It is {server.name}.", f"Upgrade to Redis {oldest} or newer, or to Valkey.")
    return ok(f"It is {server.name}.")


def check_eviction(server: Server) -> Judgement:
    """Check that Redis can't evict counters while the checkpoint stays."""
    policy = server.eviction_policy
    if policy != SAFE_POLICY:
        return problem(
            f"maxmemory-policy is {policy}: once memory is full, counters are evicted while the checkpoint "
            "stays. Workers refuse to start.",
            f"Set maxmemory-policy to {SAFE_POLICY}, then run headcount audit: counters may be lost already.",
        )
    return ok(f"maxmemory-policy is {policy}: nothing is evicted.")


def check_sets(options: Mapping[str, str]) -> Judgement:
    """Check the size up to which a set of integers is kept as a sorted array."""
    entries = int(options.get("set-max-intset-entries", MIN_INTSET_ENTRIES))
    if entries < MIN_INTSET_ENTRIES:
        return warning(
            f"set-max-intset-entries is {entries}: small sets of users take several times as much memory.",
            f"Set it to {MIN_INTSET_ENTRIES}, Redis' default.",
        )
    return ok(f"set-max-intset-entries is {entries}: small sets are kept compact.")


def check_sketches(options: Mapping[str, str]) -> Judgement:
    """Check the size up to which a HyperLogLog is kept sparse instead of in 12 KB."""
    size = int(options.get("hll-sparse-max-bytes", 3_000))
    if size < MIN_SPARSE_BYTES:
        return warning(
            f"hll-sparse-max-bytes is {size}: even a counter of a few people takes 12 KB.",
            "Set it to 3000, Redis' default.",
        )
    if size > MAX_SPARSE_BYTES:
        return warning(
            f"hll-sparse-max-bytes is {size}: adding users to large counters is slow.",
            "Set it to 3000, Redis' default.",
        )
    return ok(f"hll-sparse-max-bytes is {size}: small counters are kept compact.")


def check_replication(facts: tuple[Replication, Mapping[str, str]]) -> Judgement:
    """Check that Redis accepts writes, and that its replicas are fit for a fail-over."""
    replication, options = facts
    required, online = int(options.get("min-replicas-to-write", 0)), len(replication.lags)
    if required > online:
        return problem(
            f"min-replicas-to-write is {required}, but {online} replicas are online: writes are refused.",
            "Restart the replicas, or lower min-replicas-to-write.",
        )
    late = [lag for lag in replication.lags if lag > LATE_REPLICA_SECONDS]
    if late or online < replication.replicas:
        return warning(
            f"Of {replication.replicas} replicas {online} are online, and {len(late)} of these have not "
            f"reported for more than {LATE_REPLICA_SECONDS} s.",
            "Check the replicas and the network: after a fail-over to a late replica, the events it lacks "
            "are counted again from the log, but the tokens it lacks are lost.",
        )
    return ok(f"It has {online} replicas, all up to date." if online else "It has no replicas.")


def check_role(replication: Replication) -> Judgement:
    """Check that Redis is a master, since a replica refuses writes."""
    if replication.role != "master":
        return problem(
            "It is a replica and refuses writes: workers wait for ever.",
            "Set REDIS_URL to the master, or to an address that follows it through a fail-over.",
        )
    return ok("It is a master.")


def check_replay(facts: tuple[bool, Server]) -> Judgement:
    """Check that a restart restores what scripts and transactions wrote.

    Redis 7.0 replays the append-only file as the user `default`; Valkey 9 checks no rights.
    """
    lacks_rights, server = facts
    if not server.persistence.appends:
        return ok("It has no append-only file to replay.")
    if not lacks_rights:
        return ok("The user default has the rights to replay the append-only file.")
    found = "The user default lacks rights that the replay of the append-only file needs"
    advice = (
        "Run ACL SETUSER default off ~* &* +@all, and add the same to the ACL file. While the user is off, "
        "no client can log in as it."
    )
    if server.name.startswith("Valkey"):
        return warning(f"{found} on Redis 7.0. {server.name} does not need them.", advice)
    return problem(f"{found}: the next restart drops all writes of scripts and MULTI.", advice)
