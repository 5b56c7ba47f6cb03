"""The restore of erasures: makes Redis' list of forgotten users match the erasure log, and erases them.

If Redis loses its data or is restored from an older copy, it loses the list and the erasures together. The
erasure log is then the source: the list is restored before anything is counted, and as-of is absent until
the counters are without all users on it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

from ingest.errors import UnavailableError
from ingest.ports import Erasures
from projector import keys
from projector.counted_users import REVISION, record_forgotten
from projector.counter_config import COUNTED_REVISION
from projector.rebuild.erasure import erase, erase_all
from projector.redis import Redis
from projector.redis.errors import translate_errors
from projector.scripts.erasures import ErasedScript, Erasure, ListRevision, RestoreScript

ERASED: Final = "erased"
"""The field of the deployment with the position in the erasure log up to which users were erased."""
TRIES: Final = 20


class Forgotten(NamedTuple):
    """Whether a user was not on the list before, and what the erasure did."""

    is_new: bool
    erasure: Erasure


class Restored(NamedTuple):
    """How many users were added to Redis' list, how many were taken off it, and what the erasure did."""

    added: int
    dropped: int
    erasure: Erasure


@dataclass(frozen=True, slots=True)
class _Recorded:
    """The list of forgotten users in Redis, its revision, and the position up to which users were erased."""

    forgotten: frozenset[str]
    generation: int
    revision: int
    counted_revision: int
    erased: str


async def restore_erasures(redis: Redis, erasures: Erasures, *, clock: Callable[[], datetime]) -> Restored:
    """Add forgotten users to Redis' list, take remembered ones off it, and erase the forgotten ones.

    Raises `UnavailableError`.
    """
    restore = RestoreScript(redis)
    added = dropped = 0
    erasure = Erasure(0, 0)
    for _ in range(TRIES):
        recorded = await _read(redis)
        logged = {each for each, entry in erasures.entries.items() if entry.action == "forgotten"}
        lacking = sorted(logged - recorded.forgotten)
        remembered = sorted((recorded.forgotten & erasures.entries.keys()) - logged)
        if not lacking and not remembered and recorded.erased == position_of(erasures):
            return Restored(added, dropped, erasure)
        with translate_errors():
            revision = await restore(
                keys.ONLY,
                ListRevision(recorded.generation, recorded.revision),
                next_revision=int(clock().timestamp() * 1000),
                added=lacking,
                removed=remembered,
            )
        if revision is None:
            continue
        added += len(lacking)
        dropped += len(remembered)
        # After the list is written no worker adds these users again. A worker that is killed here leaves the
        # position unchanged, and the next one erases them.
        start = _offset(recorded.erased, erasures.log_id)
        to_erase = {each for each in logged if erasures.entries[each].offset >= start}
        found = await erase_all(redis, to_erase | set(lacking) if start else recorded.forgotten | logged)
        erasure = Erasure(erasure.removed + found.removed, found.estimates)
        was_clean = recorded.counted_revision == recorded.revision or not start
        is_clean = was_clean and not remembered and not found.estimates
        if await record_erased(
            redis, revision, before=recorded.erased, now=position_of(erasures), is_clean=is_clean
        ):
            return Restored(added, dropped, erasure)
    raise UnavailableError(f"The list of forgotten users changed during each of {TRIES} attempts.")


async def forget(redis: Redis, person: str, *, before: str, after: str) -> Forgotten:
    """Put a user, `workspace_id:pseudonym`, on Redis' list and erase them; raises `UnavailableError`.

    `before` and `after` are the positions in the erasure log right before and after the user's entry.
    """
    recorded = await _read(redis)
    workspace_id, _, pseudonym = person.partition(":")
    # Before the removal: from here on no worker adds the user again.
    is_new = await record_forgotten(redis, pseudonym, workspace_id=workspace_id)
    erasure = await erase(redis, pseudonym, workspace_id=workspace_id)
    if recorded.erased == before:
        is_clean = recorded.counted_revision == recorded.revision and not erasure.estimates
        await record_erased(redis, recorded.revision + 1, before=before, now=after, is_clean=is_clean)
    return Forgotten(is_new, erasure)


async def unlogged(redis: Redis, erasures: Erasures) -> list[str]:
    """Return the users on Redis' list that have no entry in the erasure log: forgotten before it existed."""
    return sorted((await _read(redis)).forgotten - erasures.entries.keys())


async def record_erased(redis: Redis, revision: int, *, before: str, now: str, is_clean: bool) -> bool:
    """Record the position in the erasure log that the counters match; raises `UnavailableError`.

    `is_clean` states that no estimate may contain a forgotten user. Returns False if the list or the position
    was changed meanwhile.
    """
    with translate_errors():
        return await ErasedScript(redis)(keys.ONLY, revision, before=before, now=now, is_clean=is_clean)


def position_of(erasures: Erasures) -> str:
    """Return the position up to which the erasure log was read, in the recorded form."""
    return f"{erasures.log_id}:{erasures.end}"


def _offset(position: str, log_id: str) -> int:
    """Return the offset of a position, 0 if it is empty or belongs to a log that was recreated since."""
    recorded_id, _, offset = position.rpartition(":")
    return int(offset) if recorded_id == log_id else 0


async def _read(redis: Redis) -> _Recorded:
    with translate_errors():
        async with redis.pipeline(transaction=True) as pipeline:
            pipeline.smembers(keys.ONLY.forgotten)
            pipeline.hmget(keys.ONLY.deployment, ["generation", REVISION, COUNTED_REVISION, ERASED])
            forgotten, (generation, revision, counted_revision, erased) = await pipeline.execute()
    return _Recorded(
        frozenset(each.decode() for each in forgotten),
        int(generation or 0),
        int(revision or 0),
        int(counted_revision or 0),
        (erased or b"").decode(),
    )
