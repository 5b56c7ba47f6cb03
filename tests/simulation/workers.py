"""The worker processes of a schedule: the real code from end to end, on the fakes."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from redis.asyncio import Redis

from ingest.errors import UnavailableError
from ingest.events.decoding import RecordDecoder
from ingest.kafka.dead_letters import KafkaDeadLetters
from ingest.kafka.source import KafkaSource
from ingest.worker.loop import Worker
from ingest.worker.retry import Retry
from ingest.worker.stats import Stats
from projector.deployment import Deployment
from projector.projection import RedisProjection
from tests.simulation.activity import CALENDAR, MAX_EVENT_BYTES
from tests.simulation.broker import GROUP, TOPIC, Broker
from tests.simulation.loop import SimulatedLoop
from tests.simulation.processes import Process
from tests.support.people import PLAIN_IDS, PLAIN_PEOPLE

DEPLOYMENT: Final = Deployment(topic=TOPIC, time_zone="UTC", user_id_hash_key=PLAIN_IDS.fingerprint)


@dataclass(frozen=True, slots=True)
class Member:
    """A worker at work, as the world sees it."""

    process: Process
    stopping: asyncio.Event
    task: asyncio.Task[None]

    @property
    def is_alive(self) -> bool:
        return self.process.state != "dead" and not self.task.done()


class Workers:
    """Starts workers; one that ends with an error fails the loop. `client` makes a named client of Redis."""

    def __init__(
        self,
        loop: SimulatedLoop,
        broker: Broker,
        client: Callable[[str], Redis],
        clock: Callable[[], datetime],
    ) -> None:
        self._loop = loop
        self._broker = broker
        self._client = client
        self._clock = clock
        self._members: list[Member] = []

    def start(self) -> None:
        stopping = asyncio.Event()
        name = f"worker-{len(self._members) + 1}"
        process, task = self._loop.spawn(name, self._work(name, stopping))
        task.add_done_callback(self._note_end, context=self._loop.world.context())
        self._members.append(Member(process, stopping, task))

    def alive(self) -> Sequence[Member]:
        return [member for member in self._members if member.is_alive]

    def running(self) -> Sequence[Member]:
        return [member for member in self.alive() if member.process.state == "running"]

    def staying(self) -> Sequence[Member]:
        """Return who works, and was not asked to stop: the others may still be at it for a while."""
        return [member for member in self.running() if not member.stopping.is_set()]

    def _note_end(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._loop.fail(error)

    async def _work(self, name: str, stopping: asyncio.Event) -> None:
        """Start, run and end a worker in the order of the composition root."""
        retry = Retry(stopping, asyncio.sleep)
        options = {"broker": self._broker}
        redis = self._client(name)
        projection = RedisProjection(redis, CALENDAR, PLAIN_PEOPLE, deployment=DEPLOYMENT, clock=self._clock)
        letters = KafkaDeadLetters(TOPIC, options)
        source = KafkaSource(TOPIC, GROUP, options)
        try:
            await retry.retry_until_stopped(projection.claim)
            await retry.retry_until_stopped(letters.start)
            await retry.retry_until_stopped(source.start)
            try:
                await self._worker(source, projection, letters).run(stopping)
            finally:
                await source.stop()
        except UnavailableError:
            if not stopping.is_set():
                raise

    def _worker(self, source: KafkaSource, projection: RedisProjection, letters: KafkaDeadLetters) -> Worker:
        return Worker(
            source=source,
            projection=projection,
            dead_letters=letters,
            decoder=RecordDecoder(max_event_bytes=MAX_EVENT_BYTES),
            clock=self._clock,
            stats=Stats(),
        )
