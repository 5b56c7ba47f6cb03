"""A fake of aiokafka's consumer: one member of the group of a fake Kafka, driven by the real Kafka source."""

import asyncio
import random
from collections.abc import Iterable, Mapping
from typing import Any

from aiokafka import ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import (
    CommitFailedError,
    ConsumerStoppedError,
    IllegalGenerationError,
    IllegalStateError,
    KafkaError,
    UnknownMemberIdError,
)

from tests.simulation.broker import TOPIC, Broker
from tests.simulation.buffer import Assignment, Place
from tests.simulation.fetcher import RETRY_SECONDS, Fetcher
from tests.simulation.group import Seat
from tests.simulation.membership import Membership


class FakeConsumer:
    """The part of `AIOKafkaConsumer` that `ingest.kafka.source` uses."""

    def __init__(
        self,
        *,
        broker: Broker,
        chance: random.Random,
        group_id: str | None = None,
        heartbeat_interval_ms: int = 3_000,
        metadata_max_age_ms: int = 300_000,
        **_config: object,
    ) -> None:
        self._broker = broker
        self._is_member = group_id is not None
        self._listener: ConsumerRebalanceListener
        self._assignment = Assignment({})
        self._settled = asyncio.Event()
        """Unset while a rebalance is under way."""
        self._fetcher = Fetcher(broker, chance)
        self._membership = Membership(
            broker,
            chance,
            heartbeat_seconds=heartbeat_interval_ms / 1000,
            metadata_seconds=metadata_max_age_ms / 1000,
        )
        self._tasks: list[asyncio.Task[None]] = []
        self._is_closed = False

    def subscribe(self, topics: Iterable[str], *, listener: ConsumerRebalanceListener) -> None:
        assert list(topics) == [TOPIC]
        self._listener = listener

    async def start(self) -> None:
        await self._membership.learn()
        self._tasks = [asyncio.create_task(self._membership.stay_informed())]
        if self._is_member:
            staying = self._membership.stay(self._revoke, self._assign, self._tell)
            self._tasks.append(asyncio.create_task(staying))
            await self._settled.wait()

    async def stop(self) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        for task in self._tasks:
            task.cancel()
        self._fetcher.stop()
        if self._is_member and self._tasks:
            await self._membership.close_within()

    def _revoke(self) -> None:
        self._settled.clear()
        self._listener.on_partitions_revoked(self.assignment())

    def _assign(self, seat: Seat) -> None:
        self._assignment.is_active = False
        self._assignment = Assignment({number: Place() for number in sorted(seat.numbers)})
        self._fetcher.start(self._assignment)
        self._settled.set()

    def _tell(self) -> None:
        self._listener.on_partitions_assigned(self.assignment())

    async def getmany(
        self, *partitions: TopicPartition, timeout_ms: int, max_records: int
    ) -> dict[TopicPartition, list[Any]]:
        if self._is_closed:
            raise ConsumerStoppedError
        loop = asyncio.get_running_loop()
        chosen = [each.partition for each in partitions]
        await self._settled.wait()  # for as long as the rebalance takes, whatever the time allowed
        until = loop.time() + timeout_ms / 1000
        while True:
            await self._settled.wait()
            if self._fetcher.buffer.is_filled:
                self._fetcher.look_again()  # what is taken out makes room for more
            drained = self._fetcher.buffer.drain(chosen, max_records)
            if drained or loop.time() >= until or self._is_closed:
                return drained
            if not await self._fetcher.wait(until - loop.time()):
                return {}

    def assignment(self) -> frozenset[TopicPartition]:
        return frozenset(TopicPartition(TOPIC, number) for number in self._assignment.places)

    async def position(self, partition: TopicPartition) -> int:
        """Wait for a position if need be, also when nothing is ever going to set one."""
        place = self._place(partition)
        if place.position is None:
            await asyncio.sleep(RETRY_SECONDS)
            return await self.position(partition)
        return place.position

    def seek(self, partition: TopicPartition, offset: int) -> None:
        self._place(partition).position = offset
        self._fetcher.look_again()

    def pause(self, *partitions: TopicPartition) -> None:
        for partition in partitions:
            self._place(partition).is_paused = True

    def resume(self, *partitions: TopicPartition) -> None:
        for partition in partitions:
            self._place(partition).is_paused = False
        self._fetcher.look_again()

    def _place(self, partition: TopicPartition) -> Place:
        place = self._assignment.places.get(partition.partition)
        if place is None:
            raise IllegalStateError(f"{partition} is not assigned")
        return place

    async def committed(self, partition: TopicPartition) -> int | None:
        group = self._broker.group
        return await self._broker.network.request(
            "committed", lambda: group.committed.get(partition.partition)
        )

    async def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Try for ever, but for the errors of a member that is none any more."""
        committed = {partition.partition: offset for partition, offset in offsets.items()}
        group, member_id, generation = self._broker.group, self._membership.id, self._membership.generation
        while True:
            try:
                await self._broker.network.request(
                    "commit", lambda: group.commit(member_id, generation, committed)
                )
            except (UnknownMemberIdError, IllegalGenerationError) as error:
                raise CommitFailedError from error
            except KafkaError:
                await asyncio.sleep(RETRY_SECONDS)
            else:
                return
