"""The world of a schedule: servers, workers, who publishes and who reads; it outlives every worker."""

import asyncio
import random
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final, cast

from aiokafka.errors import RequestTimedOutError
from redis.asyncio import Redis

from projector.views.daily import CatchingUpError, RedisView, ViewUnavailableError
from tests.simulation.activity import DAYS, START, WORKSPACES, Activity
from tests.simulation.broker import Broker
from tests.simulation.log import Topic
from tests.simulation.loop import SimulatedLoop
from tests.simulation.network import Network, Point
from tests.simulation.oracle import Oracle
from tests.simulation.processes import Process, current_process
from tests.simulation.redis_client import FakeRedis
from tests.simulation.redis_server import RedisServer, timed_out
from tests.simulation.workers import Workers

QUESTION_SECONDS: Final = 0.7
CHECKED_ANSWERS: Final = 0.2
"""The share of answers that are counted after, which takes long; as-of is held to the log at every change."""


def no_fault(caller: Process, moment: str) -> None:
    """Let everything be."""


class World:
    """Made before its loop runs. `note` takes a line of the trace."""

    def __init__(self, chance: random.Random, *, partitions: int, note: Callable[[str], None] | None) -> None:
        self.chance = chance
        self.note = note
        self.loop = SimulatedLoop(chance)
        self.strike: Point = no_fault
        """Is called at each point at which a fault would hurt."""
        self.to_kafka = Network(self.loop, chance, RequestTimedOutError, self._at)
        self.to_redis = Network(self.loop, chance, timed_out, self._at)
        self.broker = Broker(self.loop, chance, self.to_kafka, partitions)
        self.redis = RedisServer(self.now)
        self.oracle = Oracle(self.loop, self.broker, self.redis)
        self.workers = Workers(self.loop, self.broker, self._client, self.now)
        self.is_log_whole = True
        """Whether the log still holds all that was ever published."""
        self.blocked: set[int] = set()
        """Partitions to which nothing is published, since they were truncated."""
        self._activity = Activity(chance)

    def now(self) -> datetime:
        return START + timedelta(seconds=self.loop.time())

    def say(self, text: str) -> None:
        if self.note is not None:
            process = current_process(self.loop.world)
            self.note(f"{self.loop.time():9.4f} {process.name:9} {text}")

    def publish(self, number: int, *, in_transaction: bool = False) -> None:
        if number in self.blocked:
            return
        entries = self._activity.some(self.loop.time(), in_transaction=in_transaction)
        self.oracle.note_published(entries)
        self.broker.append(number, entries)
        self.say(f"published {len(entries)} to {number}, up to {self.broker.topic.partitions[number].end}")

    def end_transaction(self, topic: Topic, number: int, *, committed: bool) -> None:
        """End the open transaction, if the topic is still there."""
        if topic is self.broker.topic:
            self.broker.end_transaction(number, committed=committed)
            self.say(f"the transaction in {number} is {'committed' if committed else 'aborted'}")

    async def keep_publishing(self, pause: float) -> None:
        while True:
            await asyncio.sleep(self.chance.random() * pause)
            if numbers := self.broker.numbers():
                self.publish(self.chance.choice(numbers))

    async def keep_asking(self) -> None:
        """Ask as the API does, and hold answers to what their as-of instant claims."""
        view = RedisView(self._client("api"))
        while True:
            await asyncio.sleep(self.chance.random() * QUESTION_SECONDS)
            workspace_id = self.chance.choice(WORKSPACES)
            try:
                answer = await view.daily_counts(workspace_id, DAYS)
            except (CatchingUpError, ViewUnavailableError) as error:
                self.say(f"no answer: {error}")
                continue
            self.say(f"answer {answer.users} as of {answer.as_of}")
            if self.chance.random() < CHECKED_ANSWERS:
                self.oracle.check_answer(workspace_id, answer)

    def _at(self, caller: Process, moment: str) -> None:
        if self.note is not None:
            self.note(f"{self.loop.time():9.4f} {caller.name:9} {moment}")
        self.strike(caller, moment)

    def _client(self, name: str) -> Redis:
        fake: Any = FakeRedis(self.redis, self.to_redis, name)
        return cast("Redis", fake)
