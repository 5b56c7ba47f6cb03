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
    """What was done at once: from how many exact counters the user was removed.

    `estimates` are the counters of the workspace that don't tell who is in them: the log has to be counted
    anew. `known` tells that the user was to be forgotten already.
    """

    workspace_id: str
    known: bool
    removed: int
    estimates: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """`known` tells that the user was to be forgotten until now; only then there was anything to do."""

    workspace_id: str
    known: bool


async def look(config: Config, workspace_id: str, user_id: str) -> Found:
    """Find out what `forget` would do, and write nothing; raises as it does."""
    (pseudonym,) = pseudonyms(config).of(workspace_id, [user_id])
    async with worker_redis(config) as redis:
        with translate_errors():
            await deployment(config).check(redis)
        found = await find(redis, pseudonym, workspace_id=workspace_id)
    return Found(workspace_id=workspace_id, counters=found.removed, estimates=found.estimates)


async def forget(config: Config, workspace_id: str, user_id: str) -> Forgotten:
    """Record the user's pseudonym, and remove it from the exact counters.

    Raises `OperatorError` where Redis counts under another key or a rebuild is under way;
    `UnavailableError`.
    """
    person = _person(config, workspace_id, user_id)
    async with _erasing(config) as (redis, log):
        before = position_of(await log.read())
        # Before Redis: what is on record there alone would be forgotten with the next loss of Redis.
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
    """Have a user counted again, from the next event on; raises as `forget` does."""
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
    """Open Redis and the erasure log, each with what the other one knows.

    As the rebuilder: what another counts meanwhile would hold a user still.
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
