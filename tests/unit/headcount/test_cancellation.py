"""A start is given up once the stop is asked for."""

import asyncio

import pytest

from headcount.worker import cancel_on_stop
from ingest.errors import OperatorError, UnavailableError
from tests.support.waiting import within


async def test_a_start_that_is_done_gives_what_it_made() -> None:
    async def start() -> str:
        return "a worker"

    assert await cancel_on_stop(asyncio.Event(), start()) == "a worker"


async def test_what_a_start_raises_is_raised() -> None:
    async def start() -> None:
        raise OperatorError("it won't do")

    with pytest.raises(OperatorError, match="won't do"):
        await cancel_on_stop(asyncio.Event(), start())


async def test_a_start_that_waits_is_cancelled_and_has_cleaned_up() -> None:
    stopping, events = asyncio.Event(), list[str]()

    async def start() -> None:
        stopping.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            events.append("cleaned up")

    with pytest.raises(UnavailableError, match="stopped before the startup"):
        await cancel_on_stop(stopping, start())
    assert events == ["cleaned up"]


async def test_a_start_is_not_left_running_where_its_caller_is_cancelled() -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def start() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    caller = asyncio.create_task(cancel_on_stop(asyncio.Event(), start()))
    await begun.wait()
    caller.cancel()
    async with within(5):
        await ended.wait()
