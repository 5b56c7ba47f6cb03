"""Keeps Redis' list of forgotten people as the erasure log has it, and the counters without these people.

Redis loses both together with everything else, or is put back to an older copy that has neither. The erasure
log is then the truth: the list is restored before anything is counted, and as-of is gone until the counters
are without everybody on it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

from ingest.errors import UnavailableError
from ingest.ports import Erasures
from projector import keys, scripts
from projector.counted_users import REVISION, record_forgotten
from projector.counter_config import COUNTED_REVISION
from projector.rebuild.erasure import Erasure, erase, erase_all
from projector.redis import Redis
from projector.redis.errors import translate_errors

ERASED: Final = "erased"
"""The field of the deployment that says up to where of the erasure log people are out of the counters."""
TRIES: Final = 20


class Forgotten(NamedTuple):
    """Whether a person was not on the list before, and what the erasure did."""

    is_new: bool
    erasure: Erasure


class Restored(NamedTuple):
    """How many people Redis' list lacked, and how many were on it who are remembered; what that did."""

    added: int
    dropped: int
    erasure: Erasure


@dataclass(frozen=True, slots=True)
class _Known:
    """What Redis knows: who is forgotten, which revision that is, and up to where people were erased."""

    forgotten: frozenset[str]
    generation: int
    revision: int
    counted_without: int
    erased: str


async def restore_erasures(redis: Redis, erasures: Erasures, *, clock: Callable[[], datetime]) -> Restored:
    """Add to Redis' list who is missing, take off it who is remembered, and erase.

    Raises `UnavailableError`.
    """
    restore = redis.register_script(scripts.source(scripts.RESTORE))
    added = dropped = 0
    erasure = Erasure(0, 0)
    for _ in range(TRIES):
        known = await _read(redis)
        wanted = {each for each, entry in erasures.entries.items() if entry.action == "forgotten"}
        lacking = sorted(wanted - known.forgotten)
        remembered = sorted((known.forgotten & erasures.entries.keys()) - wanted)
        if not lacking and not remembered and known.erased == position_of(erasures):
            return Restored(added, dropped, erasure)
        with translate_errors():
            revision = await restore(
                keys=[
                    keys.ONLY.forgotten,
                    keys.ONLY.deployment,
                    keys.ONLY.generation(known.generation).as_of,
                ],
                args=[
                    known.generation,
                    known.revision,
                    int(clock().timestamp() * 1000),
                    len(lacking),
                    *lacking,
                    *remembered,
                ],
            )
        if revision is None:
            continue
        added += len(lacking)
        dropped += len(remembered)
        # After the list: from here on no worker adds them again. A worker that ends here leaves the place as
        # it was, and the next one erases.
        start = _offset(known.erased, erasures.log_id)
        due = {each for each in wanted if erasures.entries[each].offset >= start}
        found = await erase_all(redis, due | set(lacking) if start else known.forgotten | wanted)
        erasure = Erasure(erasure.removed + found.removed, found.estimates)
        was_counted_without = known.counted_without == known.revision or not start
        is_clean = was_counted_without and not remembered and not found.estimates
        if await note_erased(
            redis, int(revision), before=known.erased, now=position_of(erasures), is_clean=is_clean
        ):
            return Restored(added, dropped, erasure)
    raise UnavailableError("The list of forgotten people was changed again and again meanwhile.")


async def forget(redis: Redis, person: str, *, before: str, after: str) -> Forgotten:
    """Put a person on Redis' list, and erase them; raises `UnavailableError`.

    `before` and `after` are the places in the erasure log right before and after the person's entry.
    """
    known = await _read(redis)
    workspace_id, _, pseudonym = person.partition(":")
    # Before the removal: from here on no worker adds the user again.
    is_new = await record_forgotten(redis, pseudonym, workspace_id=workspace_id)
    erasure = await erase(redis, pseudonym, workspace_id=workspace_id)
    if known.erased == before:
        is_clean = known.counted_without == known.revision and not erasure.estimates
        await note_erased(redis, known.revision + 1, before=before, now=after, is_clean=is_clean)
    return Forgotten(is_new, erasure)


async def unlogged(redis: Redis, erasures: Erasures) -> list[str]:
    """Return who is on Redis' list and not in the erasure log: forgotten before there was one."""
    return sorted((await _read(redis)).forgotten - erasures.entries.keys())


async def note_erased(redis: Redis, revision: int, *, before: str, now: str, is_clean: bool) -> bool:
    """Record where in the erasure log the counters are; raises `UnavailableError`.

    `is_clean` tells that no estimate may hold anybody forgotten. Returns False where that is no longer so.
    """
    script = redis.register_script(scripts.source(scripts.ERASED))
    with translate_errors():
        return bool(await script(keys=[keys.ONLY.deployment], args=[revision, before, now, int(is_clean)]))


def position_of(erasures: Erasures) -> str:
    """Return the place up to which the erasure log was read, as it is recorded."""
    return f"{erasures.log_id}:{erasures.end}"


def _offset(place: str, log_id: str) -> int:
    """Return the offset of a place, 0 where it is in no log, or in one that was recreated since."""
    known, _, offset = place.rpartition(":")
    return int(offset) if known == log_id else 0


async def _read(redis: Redis) -> _Known:
    with translate_errors():
        async with redis.pipeline(transaction=True) as pipeline:
            pipeline.smembers(keys.ONLY.forgotten)
            pipeline.hmget(keys.ONLY.deployment, ["generation", REVISION, COUNTED_REVISION, ERASED])
            forgotten, (generation, revision, counted_without, erased) = await pipeline.execute()
    return _Known(
        frozenset(each.decode() for each in forgotten),
        int(generation or 0),
        int(revision or 0),
        int(counted_without or 0),
        (erased or b"").decode(),
    )
