"""Checks of what Redis keeps on disk and in memory."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from headcount.ops.doctor.finding import Judgement, ok, problem, warning


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


LOSSES: Final[Mapping[str, str]] = {
    "always": "nothing that was acknowledged",
    "everysec": "about the last second",
    "no": "whatever the system had not written yet, often 30 seconds",
}
HEALED: Final = "What is lost is counted again from the log by itself"
APPEND: Final = (
    "Set appendonly to yes and appendfsync to everysec: tokens are in no log, and come back from nowhere."
)
MEGABYTE: Final = 1_048_576
"""As Redis counts: maxmemory 512mb is shown as 512 MB."""
ALMOST_FULL: Final = 0.95
NEARLY_FULL: Final = 0.8
LARGE_SHARE: Final = 0.5
WASTED_SHARE: Final = 1.5
WASTED_BYTES: Final = 100 * MEGABYTE


def check_persistence(facts: tuple[tuple[Persistence, Mapping[str, str]], datetime]) -> Judgement:
    """Say what a crash of Redis' machine costs."""
    (persistence, options), now = facts
    if not (persistence.append_works and persistence.snapshot_works):
        return problem(
            "Its last write to disk failed: it refuses writes, or soon will.",
            "Free disk space or mend the disk; Redis' own log names the error.",
        )
    if persistence.appends:
        return _judge_appending(options.get("appendfsync", "everysec"))
    if options.get("save"):
        minutes = (now - persistence.saved_at).total_seconds() / 60
        return warning(
            f"It only takes snapshots: a crash now loses {persistence.unsaved_changes:,} changes, the last "
            f"{minutes:.0f} minutes. {HEALED}, tokens excepted.",
            APPEND,
        )
    return warning(
        "It keeps nothing on disk: after a restart everything is counted again, as far back as the log "
        "reaches, "
        "and all tokens are gone.",
        APPEND,
    )


def _judge_appending(policy: str) -> Judgement:
    found = f"It appends every write to a file, appendfsync {policy}: losing power loses {LOSSES[policy]}."
    if policy == "no":
        return warning(f"{found} {HEALED}, tokens excepted.", "Set appendfsync to everysec.")
    return ok(f"{found} {HEALED}.")


def check_memory(memory: Memory) -> Judgement:
    """Say how much room there is. A limit is good to have: at it, writes wait, and nothing is lost."""
    if not memory.limit:
        return _judge_unlimited(memory)
    share = memory.used / memory.limit
    found = f"It uses {_megabytes(memory.used)} of maxmemory {_megabytes(memory.limit)}, {share:.0%}."
    if share >= ALMOST_FULL:
        return problem(f"{found} Writes fail at 100 %: workers wait.", "Raise maxmemory now.")
    if share >= NEARLY_FULL:
        return warning(found, "Raise maxmemory, or shorten RETENTION_DAYS or BUCKET_RETENTION_DAYS.")
    return ok(found)


def _judge_unlimited(memory: Memory) -> Judgement:
    found = f"It uses {_megabytes(memory.used)}, and has no maxmemory."
    if memory.machine and memory.used > LARGE_SHARE * memory.machine:
        return problem(
            f"{found} The machine has {_megabytes(memory.machine)}: the kernel may kill it.",
            "Set maxmemory below two thirds of the machine's: a full Redis makes workers wait, and no more.",
        )
    return warning(
        found, "Set maxmemory: a full Redis makes workers wait; one that the kernel kills is gone."
    )


def check_fragmentation(memory: Memory) -> Judgement:
    """Compare what the process takes with what it uses; of little, the ratio says nothing."""
    wasted = memory.resident - memory.used
    if wasted > WASTED_BYTES and memory.resident > WASTED_SHARE * memory.used:
        return warning(
            f"It takes {_megabytes(memory.resident)} of the machine's memory to hold "
            f"{_megabytes(memory.used)}.",
            "Set activedefrag to yes, or restart it at a quiet time.",
        )
    if -wasted > WASTED_BYTES:
        return warning(
            f"It holds {_megabytes(memory.used)}, of which {_megabytes(memory.resident)} are in memory: "
            "the rest seems to be swapped out.",
            "Give the machine more memory, or turn swapping off.",
        )
    return ok(f"It takes {_megabytes(memory.resident)} of the machine's memory.")


def _megabytes(size: int) -> str:
    return f"{size / MEGABYTE:,.0f} MB"
