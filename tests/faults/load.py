"""The load: a publisher that works while a fault happens, and knows what was acknowledged and when."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from headcount.clients import kafka_options
from headcount.wiring import Config, utc_now
from tests.faults.activity import Activity, Counter, Draft

TICK_SECONDS: Final = 0.02
RECORDS_A_TICK: Final = 5


@dataclass(frozen=True, slots=True)
class Placed:
    """A record that Kafka acknowledged, and where the log holds it."""

    partition: int
    offset: int
    value: bytes | None


class Truth:
    """Who was active when, by workspace and day, and from which instant on it was certain."""

    def __init__(self) -> None:
        self.sent: defaultdict[Counter, set[str]] = defaultdict(set)
        self.acknowledged: defaultdict[Counter, dict[str, datetime]] = defaultdict(dict)

    def at_least(self, counter: Counter, as_of: datetime) -> int:
        """Count the users whom a number must contain that holds every event published before `as_of`."""
        return sum(instant < as_of for instant in self.acknowledged.get(counter, {}).values())

    def at_most(self, counter: Counter) -> int:
        """Count the users whom a number may contain now."""
        return len(self.sent.get(counter, ()))


class Load:
    """Publishes seeded activity until it is stopped; `poison_share` of it is no event.

    `small` workspaces have so few users that their numbers are exact; the one named `big` has many.
    """

    def __init__(
        self,
        config: Config,
        *,
        small: Sequence[str],
        big: str,
        seed: int,
        poison_share: float = 0.01,
        records_a_tick: int = RECORDS_A_TICK,
    ) -> None:
        self.small = small
        self.big = big
        self.truth = Truth()
        self.acknowledged = 0
        self.failed = 0
        self.poison: list[Placed] = []
        self._config = config
        self._activity = Activity(small, big, seed=seed, poison_share=poison_share)
        self._records_a_tick = records_a_tick
        self._deliveries: set[asyncio.Future[Any]] = set()
        self._producer: AIOKafkaProducer
        self._task: asyncio.Task[None] | None = None

    @property
    def workspaces(self) -> list[str]:
        """Every workspace that it publishes for."""
        return [*self.small, self.big]

    async def start(self) -> None:
        """Connect, and publish from now on."""
        self._producer = AIOKafkaProducer(acks="all", linger_ms=5, **kafka_options(self._config))
        await self._producer.start()
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Publish no more, and return once the fate of every record is known."""
        if self._task is None:
            return
        task, self._task = self._task, None
        task.cancel()
        try:
            with suppress(asyncio.CancelledError):
                await task
            await self._settle()
        finally:
            await self._producer.stop()

    async def publish(self, draft: Draft, *, partition: int | None = None) -> None:
        """Publish one record beside the rest, and return once it is acknowledged."""
        await self._send(draft, partition)
        await self._settle()

    async def _run(self) -> None:
        while True:
            for _ in range(self._records_a_tick):
                await self._send(self._activity.next(), None)
            await asyncio.sleep(TICK_SECONDS)

    async def _send(self, draft: Draft, partition: int | None) -> None:
        if draft.sighting is not None:
            counter, user = draft.sighting
            self.truth.sent[counter].add(user)
        try:
            delivery = await self._producer.send(
                self._config.kafka.topic,
                value=draft.value,
                key=b"nothing" if draft.value is None else None,  # aiokafka sends no record without either
                partition=partition,
            )
        except KafkaError:
            self.failed += 1
            return
        self._deliveries.add(delivery)
        delivery.add_done_callback(lambda done: self._note(done, draft))

    def _note(self, delivery: asyncio.Future[Any], draft: Draft) -> None:
        self._deliveries.discard(delivery)
        if delivery.cancelled() or delivery.exception() is not None:
            self.failed += 1  # it may be in the log all the same
            return
        self.acknowledged += 1
        metadata = delivery.result()
        if draft.is_poison:
            self.poison.append(Placed(metadata.partition, metadata.offset, draft.value))
        elif draft.sighting is not None:
            counter, user = draft.sighting
            self.truth.acknowledged[counter].setdefault(user, utc_now())

    async def _settle(self) -> None:
        if waiting := set(self._deliveries):
            await asyncio.wait(waiting)
