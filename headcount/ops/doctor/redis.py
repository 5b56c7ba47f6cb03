"""The facts about Redis: what INFO and CONFIG report, and what Headcount stores there."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from redis.exceptions import NoPermissionError

from api.auth.tokens import Token
from api.store.tokens import RedisTokenStore
from headcount.clients import api_redis
from headcount.ops.doctor.clocks import Clock
from headcount.ops.doctor.finding import Unknown
from headcount.ops.doctor.probing import Prober
from headcount.ops.doctor.rights import Rights, lacks_replay_rights, other_rights, own_rights
from headcount.ops.doctor.server import Server, read_server
from headcount.preflight.redis import check_redis_login
from headcount.wiring import Config, deployment, utc_now
from ingest.errors import OperatorError
from projector.checkpoints import Progress, read_progress
from projector.redis import Redis


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisFacts:
    """`reached` is None if Redis answers. `mismatch` describes counters of another deployment, None for this.

    `lacks_replay_rights` is whether the user `default` lacks rights that the replay of the append-only file
    needs. `tokens` are all tokens; `options` are those in `OPTIONS`.
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
        """Return facts that are all unknown, with the reason why Redis does not answer."""
        silent = Unknown("Redis does not answer.")
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


OPTIONS: Final = (
    "appendfsync",
    "save",
    "hll-sparse-max-bytes",
    "set-max-intset-entries",
    "min-replicas-to-write",
)


async def probe_redis(config: Config, prober: Prober) -> RedisFacts:
    """Gather all facts about Redis; stops after the first probe if Redis does not answer."""
    try:
        client = api_redis(config)
    except OperatorError as error:  # the client certificates can't be used
        return RedisFacts.out_of_reach(Unknown(str(error)))
    async with client as redis:
        reached = await prober.probe(_reach(config, redis))
        if isinstance(reached, Unknown):
            return RedisFacts.out_of_reach(reached)
        rights = await prober.probe(own_rights(config, redis))
        return RedisFacts(
            reached=reached,
            server=await prober.probe(_server(redis)),
            options=await prober.probe(_options(redis)),
            clock=await prober.probe(_clock(redis)),
            rights=rights,
            other_rights=await prober.probe(other_rights(redis, rights)),
            lacks_replay_rights=await prober.probe(lacks_replay_rights(redis)),
            mismatch=await prober.probe(_mismatch(config, redis)),
            progress=await prober.probe(read_progress(redis)),
            tokens=await prober.probe(RedisTokenStore(redis).list()),
        )


async def _reach(config: Config, redis: Redis) -> None:
    await check_redis_login(redis, config)
    try:
        await redis.time()
    except NoPermissionError:
        return  # a refusal is an answer, too


async def _server(redis: Redis) -> Server:
    return read_server(await redis.info("everything"))


async def _options(redis: Redis) -> Mapping[str, str]:
    found = await redis.config_get(*OPTIONS)
    return {str(option): str(value) for option, value in found.items()}


async def _clock(redis: Redis) -> Clock:
    before, started = utc_now().timestamp(), time.monotonic()
    seconds, microseconds = await redis.time()
    elapsed = time.monotonic() - started
    return Clock(ahead=seconds + microseconds / 1_000_000 - before - elapsed / 2, uncertainty=elapsed / 2)


async def _mismatch(config: Config, redis: Redis) -> str | None:
    try:
        await deployment(config).check_counters(redis)
    except OperatorError as error:
        return str(error)
    return None
