"""Questions under way: asked once, answered to all who waited, and to nobody else."""

import asyncio
from contextlib import suppress

import pytest

from api.cache.single_flight import SingleFlight
from tests.support.fakes_api import FakeTimer
from tests.support.waiting import wait_until


class Sage:
    """Answers once it is told to; `asked` keeps every question."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.ready = asyncio.Event()
        self.error: Exception | None = None

    async def answer(self, question: str) -> str:
        self.asked.append(question)
        await self.ready.wait()
        if self.error:
            raise self.error
        return f"{question}!"


def start(single_flight: SingleFlight[str, str], *questions: str) -> list[asyncio.Task[str]]:
    return [asyncio.create_task(single_flight.join(question)) for question in questions]


@pytest.fixture
async def sage() -> Sage:
    return Sage()


@pytest.fixture
def single_flight(sage: Sage) -> SingleFlight[str, str]:
    return SingleFlight(sage.answer, seconds=60, timer=FakeTimer())


async def test_the_same_question_is_asked_once(sage: Sage, single_flight: SingleFlight[str, str]) -> None:
    waiting = start(single_flight, "a", "b", "a", "a")
    sage.ready.set()
    assert await asyncio.gather(*waiting) == ["a!", "b!", "a!", "a!"]
    assert sage.asked == ["a", "b"]


async def test_who_comes_after_the_answer_asks_anew(
    sage: Sage, single_flight: SingleFlight[str, str]
) -> None:
    sage.ready.set()
    await single_flight.join("a")
    await single_flight.join("a")
    assert sage.asked == ["a", "a"]


async def test_who_gives_up_takes_nobody_else_along(
    sage: Sage, single_flight: SingleFlight[str, str]
) -> None:
    """Not even the one who asked first."""
    first, second = start(single_flight, "a", "a")
    await wait_until(lambda: sage.asked)
    first.cancel()
    with suppress(asyncio.CancelledError):
        await first
    sage.ready.set()
    assert await second == "a!"
    assert sage.asked == ["a"]


async def test_an_error_is_shared_and_not_kept(sage: Sage, single_flight: SingleFlight[str, str]) -> None:
    sage.error = ValueError("no")
    waiting = start(single_flight, "a", "a")
    sage.ready.set()
    told = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(error) for error in told] == [ValueError, ValueError]
    sage.error = None
    assert await single_flight.join("a") == "a!"


async def test_what_hangs_is_not_joined_for_ever(sage: Sage) -> None:
    """Nor does its end, should it come, end what was asked instead."""
    timer = FakeTimer()
    single_flight = SingleFlight(sage.answer, seconds=1, timer=timer)
    [hanging] = start(single_flight, "a")
    await wait_until(lambda: sage.asked)
    timer.seconds += 1
    sage.ready, first_ready = asyncio.Event(), sage.ready
    [second] = start(single_flight, "a")
    await wait_until(lambda: len(sage.asked) == 2)
    first_ready.set()
    assert await hanging == "a!"
    [third] = start(single_flight, "a")
    sage.ready.set()
    assert [await second, await third] == ["a!", "a!"]
    assert len(sage.asked) == 2


async def test_nobody_joins_what_is_over() -> None:
    """Whoever asks in the very turn of the loop in which an answer is given gets an answer of his own."""
    asked: list[str] = []
    late: list[asyncio.Task[str]] = []

    async def answer(question: str) -> str:
        asked.append(question)
        if len(asked) == 1:
            late.extend(start(again, question))
        return f"{question}{len(asked)}"

    again = SingleFlight(answer, seconds=60, timer=FakeTimer())
    assert await again.join("a") == "a1"
    assert await late[0] == "a2"
