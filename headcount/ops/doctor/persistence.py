"""Checks of what Redis keeps on disk and in memory."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from headcount.ops.doctor.finding import Judgement, ok, problem, warning


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Sizes in bytes. `limit` is 0 for no limit; `resident` is the resident set size of the process."""

    used: int
    resident: int
    limit: int
    machine: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Persistence:
    """Whether Redis has an append-only file, and the state of that file and of the snapshots."""

    appends: bool
    append_works: bool
    snapshot_works: bool
    unsaved_changes: int
    saved_at: datetime


def _read_memory(info: Mapping[str, Any]) -> Memory:
    return Memory(
        used=int(info.get("used_memory", 0)),
        resident=int(info.get("used_memory_rss", 0)),
        limit=int(info.get("maxmemory", 0)),
        machine=int(info.get("total_system_memory", 0)),
    )


def _read_persistence(info: Mapping[str, Any]) -> Persistence:
    return Persistence(
        appends=bool(info.get("aof_enabled", 0)),
        append_works=info.get("aof_last_write_status", "ok") == "ok",
        snapshot_works=info.get("rdb_last_bgsave_status", "ok") == "ok",
        unsaved_changes=int(info.get("rdb_changes_since_last_save", 0)),
        saved_at=datetime.fromtimestamp(int(info.get("rdb_last_save_time", 0)), UTC),
    )


LOSSES: Final[Mapping[str, str]] = {
    "always": "nothing that was acknowledged",
    "everysec": "about the last second",
    "no": "all that the system had not written yet, often 30 seconds",
}
RECOUNTED: Final = "Lost counts are counted again from the log automatically"
APPEND: Final = (
    "Set appendonly to yes and appendfsync to everysec: tokens are not in the log and can't be restored."
)
MEGABYTE: Final = 1_048_576
"""The unit of Redis: maxmemory 512mb is shown as 512 MB."""
ALMOST_FULL: Final = 0.95
NEARLY_FULL: Final = 0.8
LARGE_SHARE: Final = 0.5
WASTED_SHARE: Final = 1.5
WASTED_BYTES: Final = 100 * MEGABYTE


def check_persistence(facts: tuple[tuple[Persistence, Mapping[str, str]], datetime]) -> Judgement:
    """Check what a crash of Redis' machine would lose."""
    (persistence, options), now = facts
    if not (persistence.append_works and persistence.snapshot_works):
        return problem(
            "The last write to disk failed: Redis refuses writes, or soon will.",
            "Free disk space or replace the disk; Redis' log names the error.",
        )
    if persistence.appends:
        return _judge_appending(options.get("appendfsync", "everysec"))
    if options.get("save"):
        minutes = (now - persistence.saved_at).total_seconds() / 60
        return warning(
            "It only takes snapshots: a crash now would lose "
            f"{persistence.unsaved_changes:,} changes, the last {minutes:.0f} minutes. "
            f"{RECOUNTED}, tokens excepted.",
            APPEND,
        )
    return warning(
        "It keeps nothing on disk: after a restart all events in the log are counted again, and all tokens "
        "are lost.",
        APPEND,
    )


def _judge_appending(policy: str) -> Judgement:
    found = f"It appends every write to a file, appendfsync {policy}: a power failure loses {LOSSES[policy]}."
    if policy == "no":
        return warning(f"{found} {RECOUNTED}, tokens excepted.", "Set appendfsync to everysec.")
    return ok(f"{found} {RECOUNTED}.")


def check_memory(memory: Memory) -> Judgement:
    """Compare the memory in use with the limit, at which writes wait and nothing is lost."""
    if not memory.limit:
        return _judge_unlimited(memory)
    share = memory.used / memory.limit
    found = f"It uses {_megabytes(memory.used)} of maxmemory {_megabytes(memory.limit)}, {share:.0%}."
    if share >= ALMOST_FULL:
        return problem(f"{found} At 100 %, writes fail and workers wait.", "Raise maxmemory now.")
    if share >= NEARLY_FULL:
        return warning(found, "Raise maxmemory, or shorten RETENTION_DAYS or BUCKET_RETENTION_DAYS.")
    return ok(found)


def _judge_unlimited(memory: Memory) -> Judgement:
    found = f"It uses {_megabytes(memory.used)} and has no maxmemory."
    if memory.machine and memory.used > LARGE_SHARE * memory.machine:
        return problem(
            f"{found} The machine has {_megabytes(memory.machine)}: the kernel may kill it.",
            "Set maxmemory below two thirds of the machine's memory: a full Redis only makes workers wait.",
        )
    return warning(
        found, "Set maxmemory: a full Redis only makes workers wait; without a limit the kernel may kill it."
    )


def check_fragmentation(memory: Memory) -> Judgement:
    """Compare the resident memory with the memory in use; small amounts are ignored."""
    wasted = memory.resident - memory.used
    if wasted > WASTED_BYTES and memory.resident > WASTED_SHARE * memory.used:
        return warning(
            f"It takes {_megabytes(memory.resident)} of the machine's memory to store "
            f"{_megabytes(memory.used)}.",
            "Set activedefrag to yes, or restart Redis at a quiet time.",
        )
    if -wasted > WASTED_BYTES:
        return warning(
            f"It stores {_megabytes(memory.used)}, of which {_megabytes(memory.resident)} are in memory: the "
            "rest seems to be swapped out.",
            "Give the machine more memory, or disable swapping.",
        )
    return ok(f"It takes {_megabytes(memory.resident)} of the machine's memory.")


def _megabytes(size: int) -> str:
    return f"{size / MEGABYTE:,.0f} MB"
