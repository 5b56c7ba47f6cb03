"""What the doctor knows of Redis, and how it is read from what Redis says of itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from api.auth.tokens import Token
from headcount.ops.doctor.clock_facts import Clock
from headcount.ops.doctor.finding import Unknown
from headcount.ops.doctor.rights_facts import Rights
from projector.checkpoints import Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Bytes. `limit` is 0 where there is none; `resident` is what the process takes of the machine's."""

    used: int
    resident: int
    limit: int
    machine: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Persistence:
    """Whether Redis appends every write to a file, and the state of that and of its snapshots."""

    appends: bool
    append_works: bool
    snapshot_works: bool
    unsaved_changes: int
    saved_at: datetime


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


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisFacts:
    """`reached` tells whether Redis answers at all; `mismatch` what it counts for instead, None if all fits.

    `lacks_replay_rights` is whether the user `default` may not run what the append-only file holds.
    `tokens` are all there are, `options` are those of its configuration that matter.
    """

    reached: Unknown | None
    server: Server | Unknown
    options: Mapping[str, str] | Unknown
    clock: Clock | Unknown
    rights: Rights | Unknown
    other_rights: Sequence[Rights] | Unknown
    lacks_replay_rights: bool | Unknown
    mismatch: str | Unknown | None
    progress: Progress | Unknown
    tokens: Sequence[Token] | Unknown

    @classmethod
    def out_of_reach(cls, reason: Unknown) -> "RedisFacts":
        """Know only why there is no answer."""
        silent = Unknown("Redis can't be asked.")
        return cls(
            reached=reason,
            server=silent,
            options=silent,
            clock=silent,
            rights=silent,
            other_rights=silent,
            lacks_replay_rights=silent,
            mismatch=silent,
            progress=silent,
            tokens=silent,
        )


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


def _read_memory(said: Mapping[str, Any]) -> Memory:
    return Memory(
        used=int(said.get("used_memory", 0)),
        resident=int(said.get("used_memory_rss", 0)),
        limit=int(said.get("maxmemory", 0)),
        machine=int(said.get("total_system_memory", 0)),
    )


def _read_persistence(said: Mapping[str, Any]) -> Persistence:
    return Persistence(
        appends=bool(said.get("aof_enabled", 0)),
        append_works=said.get("aof_last_write_status", "ok") == "ok",
        snapshot_works=said.get("rdb_last_bgsave_status", "ok") == "ok",
        unsaved_changes=int(said.get("rdb_changes_since_last_save", 0)),
        saved_at=datetime.fromtimestamp(int(said.get("rdb_last_save_time", 0)), UTC),
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
