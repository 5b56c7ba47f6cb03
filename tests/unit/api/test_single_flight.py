"""Single flight: one call at a time, whose result goes to all requests that joined it, and no others."""

import asyncio
from contextlib import suppress

import pytest

from api.cache.single_flight import SingleFlight
from tests.support.fakes_api import FakeTimer
from tests.support.waiting import wait_until


class SlowCall:
    """A call that returns on demand; `keys` records every key."""

    def __init__(self) -> None:
        self.keys: list[str] = []
        self.ready = asyncio.Event()
        self.error: Exception | None = None

    async def call(self, key: str) -> str:
        self.keys.append(key)
        await self.ready.wait()
        if self.error:
            raise self.error
        return f"{key}!"


def start(single_flight: SingleFlight[str, str], *keys: str) -> list[asyncio.Task[str]]:
    return [asyncio.create_task(single_flight.join(key)) for key in keys]


@pytest.fixture
async def slow_call() -> SlowCall:
    return SlowCall()


@pytest.fixture
def single_flight(slow_call: SlowCall) -> SingleFlight[str, str]:
    return SingleFlight(slow_call.call, seconds=60, timer=FakeTimer())


async def test_concurrent_requests_share_one_call(
    slow_call: SlowCall, single_flight: SingleFlight[str, str]
) -> None:
    waiting = start(single_flight, "a", "b", "a", "a")
    slow_call.ready.set()
    assert await asyncio.gather(*waiting) == ["a!", "b!", "a!", "a!"]
    assert slow_call.keys == ["a", "b"]


async def test_a_request_after_the_result_starts_another_call(
    slow_call: SlowCall, single_flight: SingleFlight[str, str]
) -> None:
    slow_call.ready.set()
    await single_flight.join("a")
    await single_flight.join("a")
    assert slow_call.keys == ["a", "a"]


async def test_a_cancelled_request_does_not_cancel_the_call(
    slow_call: SlowCall, single_flight: SingleFlight[str, str]
) -> None:
    """Not even if it is the request that started the call."""
    first, second = start(single_flight, "a", "a")
    await wait_until(lambda: slow_call.keys)
    first.cancel()
    with suppress(asyncio.CancelledError):
        await first
    slow_call.ready.set()
    assert await second == "a!"
    assert slow_call.keys == ["a"]


async def test_an_error_is_shared_and_not_cached(
    slow_call: SlowCall, single_flight: SingleFlight[str, str]
) -> None:
    slow_call.error = ValueError("no")
    waiting = start(single_flight, "a", "a")
    slow_call.ready.set()
    told = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(error) for error in told] == [ValueError, ValueError]
    slow_call.error = None
    assert await single_flight.join("a") == "a!"


async def test_a_call_that_hangs_is_not_joined_for_ever(slow_call: SlowCall) -> None:
    """If it ends later, it does not remove the call that replaced it."""
    timer = FakeTimer()
    single_flight = SingleFlight(slow_call.call, seconds=1, timer=timer)
    [hanging] = start(single_flight, "a")
    await wait_until(lambda: slow_call.keys)
    timer.seconds += 1
    slow_call.ready, first_ready = asyncio.Event(), slow_call.ready
    [second] = start(single_flight, "a")
    await wait_until(lambda: len(slow_call.keys) == 2)
    first_ready.set()
    assert await hanging == "a!"
    [third] = start(single_flight, "a")
    slow_call.ready.set()
    assert [await second, await third] == ["a!", "a!"]
    assert len(slow_call.keys) == 2


async def test_a_finished_call_is_not_joined() -> None:
    """A request in the same turn of the event loop in which a call ends starts another call."""
    asked: list[str] = []
    late: list[asyncio.Task[str]] = []

    async def call(key: str) -> str:
        asked.append(key)
        if len(asked) == 1:
            late.extend(start(again, key))
        return f"{key}{len(asked)}"

    again = SingleFlight(call, seconds=60, timer=FakeTimer())
    assert await again.join("a") == "a1"
    assert await late[0] == "a2"
