"""An API process of its own on loopback, with counters and a token to ask it with."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from pydantic import SecretStr
from redis.asyncio import Redis

from api.auth.authentication import VIEW_ENGAGEMENT_DASHBOARD
from api.auth.tokens import mint
from api.store.tokens import RedisTokenStore
from benchmarks.hashing import KEY
from benchmarks.serving import free_port, serving
from embedded import EmbeddedValkey
from headcount.clients import api_redis, worker_redis
from headcount.settings import Settings
from headcount.wiring import Config, calendar, configure, counted_users, deployment, utc_now
from ingest.batch import Batch, Offset, Partition
from ingest.ports import Extent, LogState
from projector.projection import RedisProjection


@dataclass(frozen=True, slots=True)
class Exposed:
    """Where the API listens, and what an honest client sends with a request."""

    port: int
    headers: Mapping[str, str]


@asynccontextmanager
async def exposed(environment: Mapping[str, str]) -> AsyncIterator[tuple[Exposed, Redis]]:
    """Start a Valkey and an API for the block; the latter's settings come from `environment`."""
    with TemporaryDirectory(prefix="headcount-benchmark-") as folder:
        valkey = EmbeddedValkey(home=Path(folder))
        await valkey.start()
        try:
            config = configure(Settings(redis_url=SecretStr(valkey.url), user_id_hash_key=KEY))
            async with worker_redis(config) as redis:
                await _count_nobody(config, redis)
                port = free_port()
                own = {"REDIS_URL": valkey.url, "HTTP_PORT": str(port), "API_METRICS_PORT": "off"}
                quiet = {"LOG_LEVEL": "error", **environment, **own}
                async with serving(("-m", "headcount", "api"), quiet, port=port):
                    yield Exposed(port, await _log_in(config)), redis
        finally:
            await valkey.stop()


async def _count_nobody(config: Config, redis: Redis) -> None:
    """Have the projection of an empty log, caught up."""
    projection = RedisProjection(
        redis, calendar(config), counted_users(config), deployment=deployment(config), clock=utc_now
    )
    await projection.claim()
    partition, start = Partition(config.kafka.topic, 0), Offset(0)
    await projection.begin(LogState("benchmark", {partition: Extent(start, start)}))
    await projection.apply(Batch(partition=partition, start=start, end=start, as_of=utc_now()))


async def _log_in(config: Config) -> Mapping[str, str]:
    token, secret = mint(
        workspace_id="benchmark",
        user_id="honest",
        permissions=[VIEW_ENGAGEMENT_DASHBOARD],
        created_at=utc_now(),
    )
    async with api_redis(config) as redis:
        await RedisTokenStore(redis).add(token)
    return {"x-auth-token": secret, "x-user-id": token.user_id}
