"""The API, asked over HTTP for every day of every workspace, as the dashboard would: eight days a request."""

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, timedelta
from functools import partial
from typing import Any, Final

from aiohttp import ClientSession

from api.auth.authentication import VIEW_ENGAGEMENT_DASHBOARD
from api.auth.tokens import mint
from api.endpoints.weekly_data.contract import WEEKLY_DATA_PATH
from api.store.tokens import RedisTokenStore
from benchmarks.people import Counts, WorkspaceDay
from headcount.api import serve_api
from headcount.clients import api_redis
from headcount.demo.running import running
from headcount.wiring import Config, utc_now

WINDOW: Final = timedelta(days=8)
USER_ID: Final = "benchmark"


async def ask_for(config: Config, days: Iterable[WorkspaceDay]) -> Counts:
    """Start an API and ask it for all days between the first and the last, of every workspace among them."""
    asked = list(days)
    listening: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    windows = list(_windows(asked))
    answers: dict[WorkspaceDay, int] = {}
    async with (
        running(partial(serve_api, config, on_listening=listening.set_result)),
        ClientSession(await listening) as session,
    ):
        for workspace_id in sorted({day.workspace_id for day in asked}):
            answers |= await _ask(session, await _headers(config, workspace_id), workspace_id, windows)
    return answers


async def _ask(
    session: ClientSession, headers: Mapping[str, str], workspace_id: str, windows: Iterable[date]
) -> Counts:
    answers: dict[WorkspaceDay, int] = {}
    for last in windows:
        query = {"start": f"{last.isoformat()}T23:59:59.999Z"}
        async with session.get(WEEKLY_DATA_PATH, params=query, headers=headers) as response:
            response.raise_for_status()
            rows = (await response.json())["month"]
        answers |= {WorkspaceDay(workspace_id, _day(row)): row["users"] for row in rows}
    return answers


async def _headers(config: Config, workspace_id: str) -> Mapping[str, str]:
    """Make a token for the workspace, and return what a client sends with it."""
    token, secret = mint(
        workspace_id=workspace_id,
        user_id=USER_ID,
        permissions=[VIEW_ENGAGEMENT_DASHBOARD],
        created_at=utc_now(),
    )
    async with api_redis(config) as redis:
        await RedisTokenStore(redis).add(token)
    return {"x-auth-token": secret, "x-user-id": USER_ID}


def _windows(days: Iterable[WorkspaceDay]) -> Iterator[date]:
    """Yield the last day of each window, side by side."""
    wanted = [day.day for day in days]
    first, last = min(wanted), max(wanted)
    while last >= first:
        yield last
        last -= WINDOW


def _day(row: Mapping[str, Any]) -> date:
    return date(row["year"], row["month"], row["day"])
