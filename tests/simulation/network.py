"""The network: every request to a server, and all that can become of it on the way there and back."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, TypeVar, cast

from tests.simulation.loop import SimulatedLoop
from tests.simulation.processes import Process, current_process

TIMEOUT_SECONDS: Final = 5.0
"""After which a client gives a request up; the server may do it all the same, later."""
QUICK_SECONDS: Final = 0.002

T = TypeVar("T")


class Way(Protocol):
    """A way to a server."""

    async def request(self, name: str, operation: Callable[[], T]) -> T:
        """Have the server do the operation, and return what it answers."""
        ...


class Point(Protocol):
    """Called at each instant at which a fault would hurt most; `moment` is what has just happened."""

    def __call__(self, caller: Process, moment: str) -> None: ...


@dataclass(slots=True)
class Weather:
    """How requests to a server fare at present. An outage makes the error with which each fails at once."""

    slowest: float = QUICK_SECONDS
    lost_requests: float = 0.0
    lost_replies: float = 0.0
    outage: Callable[[], Exception] | None = None
    hanging: bool = False


@dataclass(slots=True)
class Exchange:
    """A request under way, and the reply that its caller waits for."""

    caller: Process
    name: str
    operation: Callable[[], Any]
    reply: asyncio.Future[Any]
    sent_at: float

    def end(self, result: object) -> None:
        """Give the caller its reply, unless it has given up."""
        if not self.reply.done():
            self.reply.set_result(result)

    def fail(self, error: Exception) -> None:
        if not self.reply.done():
            self.reply.set_exception(error)


@dataclass
class Network:
    """The way to one server: `lost` makes the error of a request whose reply does not come."""

    loop: SimulatedLoop
    chance: random.Random
    lost: Callable[[], Exception]
    at: Point
    weather: Weather = field(default_factory=Weather)
    _held: list[Exchange] = field(default_factory=list)

    async def request(self, name: str, operation: Callable[[], T]) -> T:
        """Have the server do the operation, which may raise, or return a future to be waited for."""
        reply = self.loop.create_future()
        exchange = Exchange(current_process(self.loop.world), name, operation, reply, self.loop.time())
        delay = self._delay()
        self.loop.later(delay, lambda: self._arrive(exchange))
        if delay > TIMEOUT_SECONDS:
            self._give_up_later(exchange)
        return cast("T", await reply)

    def calm(self) -> None:
        """End whatever ails the way; the server now does what it was asked while it hung."""
        self.weather = Weather()
        held, self._held = self._held, []
        for exchange in held:
            self._arrive(exchange)

    def _arrive(self, exchange: Exchange) -> None:
        if self.weather.hanging:
            self._held.append(exchange)
            self._give_up_later(exchange)
            return
        self.at(exchange.caller, f"{exchange.name} arrives")
        if self.weather.outage is not None:
            self._fail(exchange, self.weather.outage())
        elif self.chance.random() < self.weather.lost_requests:
            self._fail(exchange, self.lost())
        else:
            self._do(exchange)

    def _do(self, exchange: Exchange) -> None:
        try:
            result = exchange.operation()
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the reply
            self._fail(exchange, error)
            return
        self.at(exchange.caller, f"{exchange.name} is done")
        if isinstance(result, asyncio.Future):
            result.add_done_callback(
                lambda done: self._answer_if_there_is_one(exchange, done), context=self.loop.world.context()
            )
        else:
            self._answer(exchange, result)

    def _answer_if_there_is_one(self, exchange: Exchange, done: asyncio.Future[object]) -> None:
        if not done.cancelled():
            self._answer(exchange, done.result())

    def _answer(self, exchange: Exchange, result: object) -> None:
        # A server that crashed just after it was done takes its reply along.
        if self.weather.outage is not None or self.chance.random() < self.weather.lost_replies:
            self._fail(exchange, self.lost())
        else:
            self.loop.later(self._delay(), lambda: exchange.end(result))

    def _fail(self, exchange: Exchange, error: Exception) -> None:
        self.loop.later(self._delay(), lambda: exchange.fail(error))

    def _give_up_later(self, exchange: Exchange) -> None:
        left = max(0.0, exchange.sent_at + TIMEOUT_SECONDS - self.loop.time())
        error = self.lost()
        self.loop.later(left, lambda: exchange.fail(error))

    def _delay(self) -> float:
        return self.chance.random() * self.weather.slowest
