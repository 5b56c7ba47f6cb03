"""Checks of what Redis keeps: on its disk, and in its memory."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from headcount.ops.doctor.finding import Judgement, ok, problem, warning
from headcount.ops.doctor.redis_facts import Memory, Persistence, Server

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
