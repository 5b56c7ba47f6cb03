"""What Headcount's API is held against: aiohttp handlers that do less, or the same without Headcount.

Each runs in a process of its own:

    python -m benchmarks.polling.handlers bare --port 8081 --redis URL --body '{"month":[],"success":true}'
"""

from collections.abc import Awaitable, Callable
from datetime import date, timedelta
from typing import Annotated, Final, Literal

import orjson
import typer
from aiohttp import web
from redis.asyncio import Redis

from api.endpoints.weekly_data.contract import WEEKLY_DATA_PATH, WINDOW_DAYS

Handler = Callable[[web.Request], Awaitable[web.Response]]
Kind = Literal["bare", "one-round-trip", "eight-pfcounts"]

BODY_KEY: Final = "benchmark:body"
SKETCH: Final = "benchmark:{}".format
"""The key of a day's HyperLogLog, that of the ISO date."""
JSON: Final = "application/json"


def bare(_redis: Redis, body: bytes) -> Handler:
    """Answer with a body that is there already."""

    async def handle(_request: web.Request) -> web.Response:
        return web.Response(body=body, content_type=JSON)

    return handle


def one_round_trip(redis: Redis, _body: bytes) -> Handler:
    """Answer with a body that Redis has ready."""

    async def handle(_request: web.Request) -> web.Response:
        return web.Response(body=await redis.get(BODY_KEY), content_type=JSON)

    return handle


def eight_pfcounts(redis: Redis, _body: bytes) -> Handler:
    """Count each day of the window for every request: Redis' own way, in one pipeline, without a login."""

    async def handle(request: web.Request) -> web.Response:
        last = date.fromisoformat(request.query["start"][:10])
        days = [last - timedelta(days=back) for back in range(WINDOW_DAYS)]
        async with redis.pipeline(transaction=False) as pipeline:
            for day in days:
                pipeline.pfcount(SKETCH(day.isoformat()))
            counts = await pipeline.execute()
        rows = [
            {"users": users, "day": day.day, "month": day.month, "year": day.year}
            for day, users in zip(days, counts, strict=True)
            if users
        ]
        return web.Response(body=orjson.dumps({"month": rows, "success": True}), content_type=JSON)

    return handle


HANDLERS: Final[dict[Kind, Callable[[Redis, bytes], Handler]]] = {
    "bare": bare,
    "one-round-trip": one_round_trip,
    "eight-pfcounts": eight_pfcounts,
}


def main(
    kind: Kind,
    *,
    port: Annotated[int, typer.Option()],
    redis: Annotated[str, typer.Option()],
    body: Annotated[str, typer.Option()],
) -> None:
    """Serve one of them."""
    app = web.Application()
    app.router.add_get(WEEKLY_DATA_PATH, HANDLERS[kind](Redis.from_url(redis), body.encode()))
    web.run_app(app, host="127.0.0.1", port=port, access_log=None, print=None)


if __name__ == "__main__":
    typer.run(main)
