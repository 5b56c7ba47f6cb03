"""Polls the API and the status of a running Headcount, and shows the live numbers."""

import asyncio
from collections.abc import Callable
from typing import Final

from aiohttp import ClientError, ClientSession

from headcount.demo.client import Answer, Demo
from headcount.demo.screen import Flow
from headcount.ops.status import Status, read_status
from headcount.wiring import Config, utc_now
from ingest.errors import UnavailableError
from ingest.worker.stats import Stats

POLL_SECONDS: Final = 0.1
FIRST_ANSWER_SECONDS: Final = 120.0


class Watch:
    """A demo client with its session; `stats` are those of the worker."""

    def __init__(self, config: Config, demo: Demo, session: ClientSession, stats: Stats) -> None:
        self._config = config
        self._demo = demo
        self._session = session
        self._stats = stats

    async def first_answer(self) -> None:
        """Return once every event published so far is in the answer."""
        try:
            async with asyncio.timeout(FIRST_ANSWER_SECONDS):
                while not await self._is_counted():  # noqa: ASYNC110 - there is no event to wait for
                    await asyncio.sleep(POLL_SECONDS)
        except TimeoutError as error:
            raise UnavailableError(
                f"No answer within {FIRST_ANSWER_SECONDS:.0f} s. Set LOG_LEVEL=info to see the reason."
            ) from error

    async def follow(self, show: Callable[[Flow], None], every_seconds: float) -> None:
        """Show the live numbers until cancelled."""
        before = self._stats.records
        while True:
            await asyncio.sleep(every_seconds)
            records = self._stats.records
            show(await self._flow(records, (records - before) / every_seconds))
            before = records

    async def _is_counted(self) -> bool:
        status = await self._status()
        if status is None or status.catching_up or status.lag:
            return False
        return await self._answer() is not None

    async def _flow(self, events: int, per_second: float) -> Flow:
        status, answer = await self._status(), await self._answer()
        return Flow(
            events=events,
            events_per_second=per_second,
            lag=status.lag if status else None,
            users_today=answer.users_today if answer else None,
            as_of=answer.as_of if answer else None,
        )

    async def _status(self) -> Status | None:
        try:
            return await read_status(self._config)
        except UnavailableError:
            return None

    async def _answer(self) -> Answer | None:
        try:
            return await self._demo.query(self._session, utc_now())
        except (ClientError, TimeoutError):
            return None
