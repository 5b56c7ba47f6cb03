"""Gathering what Redis says of itself, and what Headcount keeps in it."""

import time
from collections.abc import Mapping
from typing import Final

from redis.asyncio import Redis
from redis.exceptions import NoPermissionError

from api.store.tokens import RedisTokenStore
from headcount.clients import api_redis
from headcount.ops.doctor.ask_rights import lacks_replay_rights, other_rights, own_rights
from headcount.ops.doctor.clock_facts import Clock
from headcount.ops.doctor.finding import Unknown
from headcount.ops.doctor.inquiry import Inquiry
from headcount.ops.doctor.redis_facts import RedisFacts, Server, read_server
from headcount.preflight.redis import check_entry
from headcount.wiring import Config, deployment, utc_now
from ingest.errors import OperatorError
from projector.checkpoints import read_progress

OPTIONS: Final = (
    "appendfsync",
    "save",
    "hll-sparse-max-bytes",
    "set-max-intset-entries",
    "min-replicas-to-write",
)


async def ask_redis(config: Config, inquiry: Inquiry) -> RedisFacts:
    """Gather all facts of Redis; where it does not answer at all, nothing more is asked."""
    try:
        client = api_redis(config)
    except OperatorError as error:  # certificates of ours that can't be used
        return RedisFacts.out_of_reach(Unknown(str(error)))
    async with client as redis:
        reached = await inquiry.ask(_reach(config, redis))
        if isinstance(reached, Unknown):
            return RedisFacts.out_of_reach(reached)
        rights = await inquiry.ask(own_rights(config, redis))
        return RedisFacts(
            reached=reached,
            server=await inquiry.ask(_server(redis)),
            options=await inquiry.ask(_options(redis)),
            clock=await inquiry.ask(_clock(redis)),
            rights=rights,
            other_rights=await inquiry.ask(other_rights(redis, rights)),
            lacks_replay_rights=await inquiry.ask(lacks_replay_rights(redis)),
            mismatch=await inquiry.ask(_mismatch(config, redis)),
            progress=await inquiry.ask(read_progress(redis)),
            tokens=await inquiry.ask(RedisTokenStore(redis).list()),
        )


async def _reach(config: Config, redis: Redis) -> None:
    await check_entry(redis, config)
    try:
        await redis.time()
    except NoPermissionError:
        return  # who may not ask was heard all the same


async def _server(redis: Redis) -> Server:
    return read_server(await redis.info("everything"))


async def _options(redis: Redis) -> Mapping[str, str]:
    found = await redis.config_get(*OPTIONS)
    return {str(option): str(value) for option, value in found.items()}


async def _clock(redis: Redis) -> Clock:
    before, started = utc_now().timestamp(), time.monotonic()
    seconds, microseconds = await redis.time()
    taken = time.monotonic() - started
    return Clock(ahead=seconds + microseconds / 1_000_000 - before - taken / 2, uncertainty=taken / 2)


async def _mismatch(config: Config, redis: Redis) -> str | None:
    try:
        await deployment(config).check_counters(redis)
    except OperatorError as error:
        return str(error)
    return None
