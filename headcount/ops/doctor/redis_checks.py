"""Checks of Redis itself: its version, what it evicts, how it encodes, and whom it replicates."""

from collections.abc import Mapping
from typing import Final

from headcount.ops.doctor.finding import Judgement, ok, problem, unknown, warning
from headcount.ops.doctor.redis_facts import Replication, Server
from projector.redis.server import OLDEST_VERSION, SAFE_POLICY

MIN_INTSET_ENTRIES: Final = 512
MIN_SPARSE_BYTES: Final = 500
MAX_SPARSE_BYTES: Final = 16_000
"""Above it, adding to a sparse HyperLogLog costs more time than its bytes are worth, says Redis' manual."""
LATE_REPLICA_SECONDS: Final = 10


def check_version(server: Server) -> Judgement:
    """Hold the version against the oldest that has what the scripts and the users' rights need."""
    wanted = ".".join(map(str, OLDEST_VERSION))
    try:
        version = tuple(int(part) for part in server.version.split(".")[:2])
    except ValueError:
        return unknown(f"It tells no version that can be read: {server.version!r}.")
    if version < OLDEST_VERSION:
        return problem(f"It is {server.name}.", f"Upgrade to Redis {wanted} or newer, or to Valkey.")
    return ok(f"It is {server.name}.")


def check_eviction(server: Server) -> Judgement:
    """Tell whether counters could vanish while the checkpoint stays."""
    policy = server.eviction_policy
    if policy != SAFE_POLICY:
        return problem(
            f"maxmemory-policy is {policy}: once memory is full, counters vanish while the checkpoint stays. "
            "Workers refuse to start.",
            f"Set maxmemory-policy to {SAFE_POLICY}, then run headcount audit: some may be gone already.",
        )
    return ok(f"maxmemory-policy is {policy}: nothing is dropped.")


def check_sets(options: Mapping[str, str]) -> Judgement:
    """Look at the number up to which a set of integers is kept as a sorted array."""
    entries = int(options.get("set-max-intset-entries", MIN_INTSET_ENTRIES))
    if entries < MIN_INTSET_ENTRIES:
        return warning(
            f"set-max-intset-entries is {entries}: small sets of users take several times the memory.",
            f"Set it to {MIN_INTSET_ENTRIES}, Redis' default.",
        )
    return ok(f"set-max-intset-entries is {entries}: small sets are kept compact.")


def check_sketches(options: Mapping[str, str]) -> Judgement:
    """Look at the size up to which a HyperLogLog is kept in runs instead of 12 KB."""
    size = int(options.get("hll-sparse-max-bytes", 3_000))
    if size < MIN_SPARSE_BYTES:
        return warning(
            f"hll-sparse-max-bytes is {size}: a counter of a few people takes 12 KB already.",
            "Set it to 3000, Redis' default.",
        )
    if size > MAX_SPARSE_BYTES:
        return warning(
            f"hll-sparse-max-bytes is {size}: adding users to large counters is slow.",
            "Set it to 3000, Redis' default.",
        )
    return ok(f"hll-sparse-max-bytes is {size}: small counters take little.")


def check_replication(facts: tuple[Replication, Mapping[str, str]]) -> Judgement:
    """Tell whether this Redis takes writes, and whether its replicas would be worth a fail-over."""
    replication, options = facts
    wanted, online = int(options.get("min-replicas-to-write", 0)), len(replication.lags)
    if wanted > online:
        return problem(
            f"min-replicas-to-write is {wanted}, and {online} replicas are online: writes are refused.",
            "Bring the replicas back, or lower min-replicas-to-write.",
        )
    late = [lag for lag in replication.lags if lag > LATE_REPLICA_SECONDS]
    if late or online < replication.replicas:
        return warning(
            f"Of {replication.replicas} replicas {online} are online, and {len(late)} of these were silent "
            f"for more than {LATE_REPLICA_SECONDS} s.",
            "Look at the replicas and the network: a fail-over to a late one counts again what it lacks, "
            "and loses the tokens that were made meanwhile.",
        )
    return ok(f"It has {online} replicas, all up to date." if online else "It has no replicas.")


def check_role(replication: Replication) -> Judgement:
    """Refuse a replica: it takes no writes."""
    if replication.role != "master":
        return problem(
            "It is a replica: it takes no writes, so that workers wait for ever.",
            "Name the master in REDIS_URL, or an address that follows it through a fail-over.",
        )
    return ok("It is a master.")
