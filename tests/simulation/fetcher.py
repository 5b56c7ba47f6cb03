"""How a fake consumer comes by records: what it asks the broker for, one request at a time, and when."""

import asyncio
import random
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Final

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError, NoOffsetForPartitionError

from tests.simulation.broker import TOPIC, Broker
from tests.simulation.buffer import Assignment, Buffer, Fetched

RETRY_SECONDS: Final = 0.1
LONGEST_FETCH_SECONDS: Final = 1.0
"""Longer than a real fetch is held, to spend fewer turns on an idle log; news end it at once all the same."""


class Fetcher:
    """Keeps the buffer filled for one assignment after another.

    As in aiokafka, a partition without a position has nothing fetched for any other.
    """

    def __init__(self, broker: Broker, chance: random.Random) -> None:
        self.buffer = Buffer()
        self._broker = broker
        self._chance = chance
        self._change = asyncio.Event()
        self._polls: set[asyncio.Future[None]] = set()
        self._task: asyncio.Task[None] | None = None
        broker.readers.append(self._change)

    def start(self, assignment: Assignment) -> None:
        if self._task is not None:
            self._task.cancel()
        self.buffer.clear()
        self._task = asyncio.create_task(self._run(assignment))

    def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
        self._broker.readers.remove(self._change)
        self._wake_polls()

    def look_again(self) -> None:
        """Have it see that there is room, or that a position or a pause has changed."""
        self._change.set()

    async def wait(self, seconds: float) -> bool:
        """Wait until something was fetched, and tell whether it was."""
        waiter = asyncio.get_running_loop().create_future()
        self._polls.add(waiter)
        done, _ = await asyncio.wait([waiter], timeout=seconds)
        self._polls.discard(waiter)
        return bool(done)

    def _wake_polls(self) -> None:
        for waiter in self._polls:
            if not waiter.done():
                waiter.set_result(None)

    async def _run(self, assignment: Assignment) -> None:
        places = assignment.places
        while True:
            self._change.clear()
            unplaced = [number for number, each in places.items() if each.position is None]
            wanted = {
                number: each.position
                for number, each in places.items()
                if each.position is not None and not each.is_paused and number not in self.buffer
            }
            if unplaced:
                await self._reset(assignment, [each for each in unplaced if each not in self.buffer])
            elif not wanted:
                await self._change.wait()
            elif not await self._fetch(assignment, wanted):
                await self._wait_for_change(LONGEST_FETCH_SECONDS)

    async def _fetch(self, assignment: Assignment, wanted: Mapping[int, int]) -> bool:
        most = self._chance.choice([1, 2, 5, 100])
        try:
            found = await self._broker.network.request("fetch", lambda: self._broker.fetch(wanted, most))
        except KafkaError:
            await asyncio.sleep(RETRY_SECONDS)
            return True
        anything = False
        for number, chunk in found.items():
            if assignment.places[number].position != wanted[number]:
                continue  # it was sought meanwhile
            if isinstance(chunk, KafkaError):
                self.buffer.put(number, chunk)
            elif chunk.entries:
                self.buffer.put(number, Fetched(number, assignment, chunk))
            anything |= number in self.buffer
        if anything:
            self._wake_polls()
        return anything

    async def _reset(self, assignment: Assignment, numbers: Sequence[int]) -> None:
        """Take what the group committed for a position, as Kafka's clients do until they are sought."""
        if not numbers:
            await self._wait_for_change(RETRY_SECONDS)
            return
        try:
            group = self._broker.group
            committed = await self._broker.network.request("committed", lambda: dict(group.committed))
        except KafkaError:
            await asyncio.sleep(RETRY_SECONDS)
            return
        for number in numbers:
            place = assignment.places[number]
            if place.position is None and number in committed:
                place.position = committed[number]
            elif place.position is None:
                self.buffer.put(number, NoOffsetForPartitionError(TopicPartition(TOPIC, number)))
        self._wake_polls()

    async def _wait_for_change(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._change.wait()
