"""Where the benchmark plays: a Valkey of its own with counters, and the tokens to ask for them with."""

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from pydantic import SecretStr
from redis.asyncio import Redis

from api.auth.authentication import VIEW_ENGAGEMENT_DASHBOARD
from api.auth.tokens import mint
from api.endpoints.weekly_data.contract import WEEKLY_DATA_PATH
from api.store.tokens import RedisTokenStore
from benchmarks.hashing import KEY
from benchmarks.people import Counts, WorkspaceDay
from benchmarks.polling.workspaces import make, project, sketch, weeks
from benchmarks.polling.wrk import Question
from embedded.valkey import EmbeddedValkey
from headcount.clients import worker_redis
from headcount.settings import Settings
from headcount.wiring import Config, configure, utc_now

USER_ID: Final = "benchmark"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What is counted up to the day `last`, and for each week that is asked for a token of its own."""

    folder: Path
    url: str
    redis: Redis
    last: date
    counts: Counts
    logins: Mapping[WorkspaceDay, Mapping[str, str]]

    def question(self, week: WorkspaceDay, *, token_of: WorkspaceDay) -> Question:
        """Ask as the dashboard does for the week of a workspace that ends with the day."""
        path = f"{WEEKLY_DATA_PATH}?start={week.day.isoformat()}T23:59:59.999Z"
        return Question(path, self.logins[token_of])


@asynccontextmanager
async def prepared() -> AsyncIterator[Stage]:
    """Start a Valkey for the block and fill it, as of today; no worker runs, so that nothing changes."""
    with TemporaryDirectory(prefix="headcount-benchmark-") as folder:
        valkey = EmbeddedValkey(home=Path(folder))
        await valkey.start()
        try:
            config = configure(Settings(redis_url=SecretStr(valkey.url), user_id_hash_key=KEY))
            async with worker_redis(config) as redis:
                yield await _fill(Path(folder), valkey.url, config, redis)
        finally:
            await valkey.stop()


async def _fill(folder: Path, url: str, config: Config, redis: Redis) -> Stage:
    last = utc_now().date()
    counts = make(last)
    await project(config, redis, counts)
    await sketch(redis, counts)
    logins = await _log_in(redis, weeks(last))
    return Stage(folder=folder, url=url, redis=redis, last=last, counts=counts, logins=logins)


async def _log_in(redis: Redis, asked: Iterable[WorkspaceDay]) -> Mapping[WorkspaceDay, Mapping[str, str]]:
    store, made_at = RedisTokenStore(redis), utc_now()
    logins = {}
    for week in asked:
        token, secret = mint(
            workspace_id=week.workspace_id,
            user_id=USER_ID,
            permissions=[VIEW_ENGAGEMENT_DASHBOARD],
            created_at=made_at,
        )
        await store.add(token)
        logins[week] = {"x-auth-token": secret, "x-user-id": USER_ID}
    return logins
