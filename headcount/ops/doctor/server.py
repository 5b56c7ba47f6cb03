"""Checks of the Redis server: version, role, eviction, encodings, replicas and restarts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from headcount.ops.doctor.finding import Judgement, ok, problem, unknown, warning
from headcount.ops.doctor.persistence import Memory, Persistence, _read_memory, _read_persistence
from projector.redis.server import OLDEST_VERSION, SAFE_POLICY


@dataclass(frozen=True, slots=True, kw_only=True)
class Replication:
    """`lags` are the seconds since each replica that is online was heard of; `replicas` counts them all."""

    role: str
    replicas: int
    lags: Sequence[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """What INFO says. `version` is Redis', or the one that a Valkey is compatible with."""

    name: str
    version: str
    eviction_policy: str
    memory: Memory
    persistence: Persistence
    replication: Replication


def read_server(said: Mapping[str, Any]) -> Server:
    """Read the answer to INFO; what an old or a hosted Redis leaves out counts as harmless."""
    is_valkey = said.get("server_name") == "valkey"
    return Server(
        name=f"Valkey {said.get('valkey_version')}" if is_valkey else f"Redis {said.get('redis_version')}",
        version=str(said.get("redis_version", "")),
        eviction_policy=str(said.get("maxmemory_policy", "noeviction")),
        memory=_read_memory(said),
        persistence=_read_persistence(said),
        replication=_read_replication(said),
    )


def _read_replication(said: Mapping[str, Any]) -> Replication:
    # Redis names them slave0, slave1, ...: the protocol's word, not ours.
    number = int(said.get("connected_slaves", 0))
    replicas = [said.get(f"slave{each}") for each in range(number)]
    online = [each for each in replicas if isinstance(each, dict) and each.get("state") == "online"]
    return Replication(
        role=str(said.get("role", "master")),
        replicas=number,
        lags=[int(each.get("lag", 0)) for each in online],
    )


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


def check_replay(facts: tuple[bool, Server]) -> Judgement:
    """Say whether a restart brings back what scripts and transactions wrote.

    Redis 7.0 replays the append-only file as the user `default`; Valkey 9 asks for no rights.
    """
    lacks_rights, server = facts
    if not server.persistence.appends:
        return ok("It has no append-only file to replay.")
    if not lacks_rights:
        return ok("The user default has the rights to replay the append-only file.")
    found = "The user default lacks rights that the replay of the append-only file needs"
    advice = (
        "Run ACL SETUSER default off ~* &* +@all, and put the same into the ACL file: while it is off, no "
        "client can be that user."
    )
    if server.name.startswith("Valkey"):
        return warning(f"{found} on Redis 7.0. {server.name} does not need them.", advice)
    return problem(f"{found}: the next restart drops all that scripts and MULTI wrote.", advice)
