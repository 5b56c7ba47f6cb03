"""The Kafka source: a member of the consumer group whose positions are set by the worker alone."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import IllegalStateError, KafkaError

from ingest.batch import Offset, Partition
from ingest.errors import UnavailableError
from ingest.kafka.aiokafka_patches import install_patches
from ingest.kafka.partition_offsets import read_log_state
from ingest.kafka.polling import POLL_MILLISECONDS, poll_all, poll_up_to_damage
from ingest.kafka.shutdown import close_within, closed_on_failure, consume_exception
from ingest.ports import LogState, Record

REQUEST_MILLISECONDS: Final = 5_000
SESSION_MILLISECONDS: Final = 10_000
GROUP_REQUEST_MILLISECONDS: Final = 15_000
"""Longer than a session: a join is answered only after dead members have left the group."""
COMMIT_SECONDS: Final = 1.0


class KafkaSource:
    """`options` are aiokafka's client options: addresses and security."""

    def __init__(self, topic: str, group_id: str, options: Mapping[str, Any]) -> None:
        install_patches()
        self._topic = topic
        self._group_id = group_id
        self._options = options
        self._listener = _Listener()
        self._committing: asyncio.Future[None] | None = None
        self._consumer: AIOKafkaConsumer
        self._client: AIOKafkaClient

    async def start(self) -> None:
        self._consumer = AIOKafkaConsumer(
            group_id=self._group_id,
            auto_offset_reset="none",  # no silent jumps: positions are only set by seeks
            enable_auto_commit=False,
            isolation_level="read_committed",
            fetch_max_wait_ms=POLL_MILLISECONDS,
            metadata_max_age_ms=10_000,  # how soon an added partition is seen
            session_timeout_ms=SESSION_MILLISECONDS,
            heartbeat_interval_ms=2_000,
            request_timeout_ms=GROUP_REQUEST_MILLISECONDS,
            **self._options,
        )
        self._consumer.subscribe([self._topic], listener=self._listener)
        self._client = AIOKafkaClient(request_timeout_ms=REQUEST_MILLISECONDS, **self._options)
        async with closed_on_failure(self.stop):
            await self._client.bootstrap()
            await self._consumer.start()

    async def stop(self) -> None:
        # Kafka answers a leave only after a join in progress, which ends when every other member has joined.
        # All at once, since each may wait, and a stop must end.
        await asyncio.gather(
            close_within("consumer", self._consumer.stop()),
            close_within("client", self._client.close()),
        )

    def take_assignment(self) -> frozenset[Partition] | None:
        assigned, self._listener.assigned = self._listener.assigned, None
        return assigned

    async def poll(self, only: Partition | None = None) -> Mapping[Partition, Sequence[Record]]:
        if only is None:
            polled = await poll_all(self._consumer)
        else:
            polled = await poll_up_to_damage(self._consumer, _native(only))
        if self._listener.assigned is not None:
            # These may be read from the group's committed offset, which can be ahead of the checkpoint once
            # Redis was rolled back: counting them would leave a hole.
            return {}
        return {Partition(*native): records for native, records in polled.items() if records}

    async def position(self, partition: Partition) -> Offset:
        # First, since aiokafka would wait for a position that only the caller sets.
        self._check_assignment(partition)
        try:
            position = Offset(await self._consumer.position(_native(partition)))
        except (KafkaError, IllegalStateError) as error:
            raise UnavailableError(f"{partition} has no position: {error!r}") from error
        self._check_assignment(partition)
        return position

    def seek(self, partition: Partition, offset: Offset) -> None:
        if self._owns(partition):
            self._consumer.seek(_native(partition), offset)

    def pause(self, partitions: Iterable[Partition]) -> None:
        self._consumer.pause(*(_native(partition) for partition in partitions if self._owns(partition)))

    def resume(self, partitions: Iterable[Partition]) -> None:
        self._consumer.resume(*(_native(partition) for partition in partitions if self._owns(partition)))

    async def state(self) -> LogState:
        # Not the consumer's own list, which is seconds old: as-of is a promise about every partition. And the
        # ends of all records: an open transaction hides from the consumer also what others published after
        # it, and as-of would pass that.
        return await read_log_state(self._client, self._topic)

    async def committed(self, partitions: Iterable[Partition]) -> Mapping[Partition, Offset]:
        owned = [partition for partition in partitions if self._owns(partition)]
        try:
            async with asyncio.timeout(COMMIT_SECONDS):  # aiokafka would try for ever
                found = {each: await self._consumer.committed(_native(each)) for each in owned}
        except (KafkaError, IllegalStateError, TimeoutError) as error:
            raise UnavailableError(f"Kafka's committed offsets can't be read: {error!r}") from error
        return {partition: Offset(offset) for partition, offset in found.items() if offset is not None}

    async def commit(self, offsets: Mapping[Partition, Offset]) -> None:
        owned = {_native(partition): offset for partition, offset in offsets.items() if self._owns(partition)}
        if not owned:
            return
        if self._committing is not None and not self._committing.done():
            raise UnavailableError("Kafka has not answered the previous commit")
        self._committing = asyncio.ensure_future(self._consumer.commit(owned))
        self._committing.add_done_callback(consume_exception)
        # It retries for ever and is not cancelled: aiokafka does not clean up after a cancellation.
        done, _ = await asyncio.wait({self._committing}, timeout=COMMIT_SECONDS)
        if not done:
            raise UnavailableError(f"Kafka took no commit within {COMMIT_SECONDS:.0f} s")
        try:
            self._committing.result()
        except (KafkaError, IllegalStateError) as error:
            raise UnavailableError(f"Kafka took no commit: {error!r}") from error

    def _check_assignment(self, partition: Partition) -> None:
        if self._listener.assigned is not None:
            # The position is Kafka's, past records that a poll dropped: a checkpoint there would skip them.
            raise UnavailableError(f"{partition} has no position: the assignment has changed")

    def _owns(self, partition: Partition) -> bool:
        return _native(partition) in self._consumer.assignment()


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka ships no types
    """Only records the change: aiokafka swallows a listener's errors, and delays heartbeats while it runs."""

    def __init__(self) -> None:
        self.assigned: frozenset[Partition] | None = None

    def on_partitions_revoked(self, _revoked: Iterable[TopicPartition]) -> None:
        self.assigned = frozenset()

    def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        self.assigned = frozenset(Partition(*native) for native in assigned)


def _native(partition: Partition) -> TopicPartition:
    return TopicPartition(partition.topic, partition.number)
