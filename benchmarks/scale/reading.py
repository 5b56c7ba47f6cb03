"""What one reading of a week costs, while the number of workspaces that are counted grows."""

import asyncio
import random
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from api.endpoints.weekly_data.contract import WINDOW_DAYS
from benchmarks.backlog import SEED, Shape
from benchmarks.projecting import working
from headcount.clients import api_redis, worker_redis
from headcount.wiring import Config, utc_now
from projector.views.daily import CatchingUpError, RedisView

READINGS: Final = 2_000
LOOK_SECONDS: Final = 0.05


@dataclass(frozen=True, slots=True)
class Reading:
    """One reading by the API's view, in microseconds: from question to numbers, and Redis' script alone."""

    microseconds: float
    script_microseconds: float


async def read_weeks(config: Config, shape: Shape) -> Reading:
    """Read the weeks of workspaces at random, one after the other."""
    today, dice = utc_now().date(), random.Random(SEED)
    days = [today - timedelta(days=back) for back in range(WINDOW_DAYS)]
    clock = asyncio.get_running_loop().time
    async with api_redis(config) as client, worker_redis(config) as redis:
        view = RedisView(client)
        async with working(config):
            await _answers(view)
        await redis.config_resetstat()
        began = clock()
        for _ in range(READINGS):
            await view.daily_counts(f"workspace-{dice.randrange(shape.workspaces)}", days)
        seconds = clock() - began
        script = (await redis.info("commandstats"))["cmdstat_evalsha"]
    return Reading(round(seconds / READINGS * 1_000_000, 1), round(script["usec"] / script["calls"], 1))


async def _answers(view: RedisView) -> None:
    """Wait until a worker has vouched for every partition: the turn before ended with the last batch."""
    while True:
        try:
            await view.as_of()
        except CatchingUpError:
            await asyncio.sleep(LOOK_SECONDS)
        else:
            return
