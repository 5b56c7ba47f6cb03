"""Forgetting: removes a person from the counters and from future counts; and remembering, which undoes it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from headcount.clients import worker_redis
from headcount.ops.erasures import erasure_log, open_erasure_log
from headcount.preflight.connections import create_topics
from headcount.wiring import Config, deployment, pseudonyms, utc_now
from ingest.kafka.erasure_log import KafkaErasureLog
from projector import erasures
from projector.counted_users import record_remembered
from projector.erasures import position_of, restore_erasures, unlogged
from projector.rebuild.erasure import find
from projector.rebuild.rebuild_lock import rebuild_lock
from projector.redis import Redis
from projector.redis.errors import translate_errors


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The number of exact counters that hold a user, and of the workspace's counters that are estimates."""

    workspace_id: str
    counters: int
    estimates: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgotten:
    """The number of exact counters from which the user was removed at once.

    `estimates` is the number of the workspace's estimates, from which only a rebuild removes the user.
    `known` is whether the user was forgotten before.
    """

    workspace_id: str
    known: bool
    removed: int
    estimates: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """`known` is whether the user was forgotten; if not, there was nothing to do."""

    workspace_id: str
    known: bool


async def look(config: Config, workspace_id: str, user_id: str) -> Found:
    """Return what `forget` would do, without writing; raises as it does."""
    (pseudonym,) = pseudonyms(config).of(workspace_id, [user_id])
    async with worker_redis(config) as redis:
        with translate_errors():
            await deployment(config).check(redis)
        found = await find(redis, pseudonym, workspace_id=workspace_id)
    return Found(workspace_id=workspace_id, counters=found.removed, estimates=found.estimates)


async def forget(config: Config, workspace_id: str, user_id: str) -> Forgotten:
    """Record the user's pseudonym, and remove it from the exact counters.

    Raises `OperatorError` if Redis holds counters under another key or a rebuild is running, and
    `UnavailableError`.
    """
    person = _person(config, workspace_id, user_id)
    async with _erasing(config) as (redis, log):
        before = position_of(await log.read())
        # Before Redis: an erasure recorded only there would be undone by a loss of Redis.
        await log.append([person], "forgotten")
        after = await log.read()
        forgotten = await erasures.forget(redis, person, before=before, after=position_of(after))
    return Forgotten(
        workspace_id=workspace_id,
        known=not forgotten.is_new,
        removed=forgotten.erasure.removed,
        estimates=forgotten.erasure.estimates,
    )


async def remember(config: Config, workspace_id: str, user_id: str) -> Remembered:
    """Count a user again, from the next event on; raises as `forget` does."""
    person = _person(config, workspace_id, user_id)
    async with _erasing(config) as (redis, log):
        entry = (await log.read()).entries.get(person)
        if entry is None or entry.action != "forgotten":
            return Remembered(workspace_id=workspace_id, known=False)
        await log.append([person], "remembered")
        _, _, pseudonym = person.partition(":")
        await record_remembered(redis, pseudonym, workspace_id=workspace_id)
    return Remembered(workspace_id=workspace_id, known=True)


@asynccontextmanager
async def _erasing(config: Config) -> AsyncIterator[tuple[Redis, KafkaErasureLog]]:
    """Open Redis and the erasure log, each completed with what only the other knows.

    Holds the rebuild lock, since counters of a concurrent rebuild would still include the user.
    """
    async with worker_redis(config) as redis, rebuild_lock(redis):
        with translate_errors():
            await deployment(config).check(redis)
        await create_topics(config, only=[erasure_log(config).topic])
        async with open_erasure_log(config) as log:
            await log.append(await unlogged(redis, await log.read()), "forgotten")
            await restore_erasures(redis, await log.read(), clock=utc_now)
            yield redis, log


def _person(config: Config, workspace_id: str, user_id: str) -> str:
    (pseudonym,) = pseudonyms(config).of(workspace_id, [user_id])
    return f"{workspace_id}:{pseudonym}"
