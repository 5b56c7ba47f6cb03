"""The erasure log: a compacted topic of forgotten and remembered users, which survives the loss of Redis.

A record's key is `workspace_id:pseudonym`. Its value is JSON: the action, its time, and the fingerprint of
the pseudonym key. All records are in partition 0.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any, Final

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError, TopicAuthorizationFailedError

from ingest.batch import Offset
from ingest.errors import OperatorError, UnavailableError
from ingest.events.event import MALFORMED, is_workspace_id
from ingest.kafka.polling import POLL_MILLISECONDS, UNREADABLE
from ingest.kafka.producer import Message, open_producer
from ingest.kafka.shutdown import close_within, closed_on_failure
from ingest.kafka.topic_metadata import read_topic_id
from ingest.ports import Erasure, ErasureAction, Erasures

ERASURES_SUFFIX: Final = ".erasures"
REQUEST_MILLISECONDS: Final = 5_000
READ_SECONDS: Final = 30.0
"""The time limit for reading the whole log, which has one small record per user."""
PSEUDONYM_MAX_DIGITS: Final = 20


class ErasureValue(msgspec.Struct, frozen=True):
    """The value of a record. `key` is the fingerprint of the pseudonym key."""

    action: ErasureAction
    at: datetime
    key: str = ""


class KafkaErasureLog:
    """Implements `ingest.ports.ErasureLog` on `<topic>.erasures`.

    `options` are aiokafka's client options: addresses and security. `fingerprint` is that of the
    pseudonym key; `clock` gives the time of day, aware.
    """

    def __init__(
        self, topic: str, options: Mapping[str, Any], *, fingerprint: str, clock: Callable[[], datetime]
    ) -> None:
        self.topic = topic + ERASURES_SUFFIX
        self._native = TopicPartition(self.topic, 0)
        self._options = options
        self._fingerprint = fingerprint
        self._clock = clock
        self._topic_id = ""
        self._end = Offset(0)
        self._entries: dict[str, Erasure] = {}
        self._client: AIOKafkaClient
        self._consumer: AIOKafkaConsumer

    async def start(self) -> None:
        self._client = AIOKafkaClient(request_timeout_ms=REQUEST_MILLISECONDS, **self._options)
        self._consumer = AIOKafkaConsumer(
            group_id=None,
            auto_offset_reset="none",
            enable_auto_commit=False,
            fetch_max_wait_ms=POLL_MILLISECONDS,
            request_timeout_ms=REQUEST_MILLISECONDS,
            **self._options,
        )
        async with closed_on_failure(self.stop):
            await self._client.bootstrap()
            await self._consumer.start()
            await asyncio.sleep(0)  # stopping a consumer before its tasks have started cancels the caller

    async def stop(self) -> None:
        await asyncio.gather(
            close_within("erasure log", self._consumer.stop()),
            close_within("erasure log's client", self._client.close()),
        )

    async def read(self) -> Erasures:
        topic_id = await read_topic_id(self._client, self.topic)
        try:
            async with asyncio.timeout(READ_SECONDS):
                await self._read_new(topic_id)
        except TimeoutError as error:
            raise UnavailableError(
                f"Kafka returns no records of {self.topic} from offset {self._end}"
            ) from error
        except (KafkaError, *UNREADABLE) as error:
            raise UnavailableError(f"the topic {self.topic} can't be read: {error!r}") from error
        return Erasures(topic_id, self._end, dict(self._entries))

    async def has_grown(self) -> bool:
        try:
            ends = await self._consumer.end_offsets([self._native])
        except KafkaError as error:
            raise UnavailableError(f"the topic {self.topic} can't be read: {error!r}") from error
        return bool(ends[self._native] != self._end)

    async def append(self, people: Collection[str], action: ErasureAction) -> None:
        if not people:
            return
        value = msgspec.json.encode(ErasureValue(action, self._clock(), self._fingerprint))
        records = [(self.topic, 0, Message(person.encode(), value)) for person in people]
        async with open_producer(
            self._options, name="erasure log's producer", request_milliseconds=REQUEST_MILLISECONDS
        ) as producer:
            outcomes = await producer.publish(records)
        for error in outcomes:
            if isinstance(error, TopicAuthorizationFailedError):
                raise OperatorError(
                    f"Kafka denies the right to write to {self.topic}: grant the Kafka user the right Write "
                    "on it, as docs/explanation/security.md lists it."
                ) from error
            if error is not None:
                raise UnavailableError(
                    f"Kafka did not accept a record for {self.topic}: {error!r}"
                ) from error

    async def _read_new(self, topic_id: str) -> None:
        beginnings = await self._consumer.beginning_offsets([self._native])
        ends = await self._consumer.end_offsets([self._native])
        beginning, end = beginnings[self._native], ends[self._native]
        if topic_id != self._topic_id or end < self._end:
            # Recreated or truncated: the entries read before are no longer valid.
            self._topic_id, self._end = topic_id, Offset(0)
            self._entries.clear()
        position = max(beginning, self._end)
        self._consumer.assign([self._native])
        self._consumer.seek(self._native, position)
        while position < end:
            polled = await self._consumer.getmany(self._native, timeout_ms=POLL_MILLISECONDS)
            for record in polled.get(self._native, ()):
                self._add(record)
            position = await self._consumer.position(self._native)
            self._end = Offset(position)
        self._end = Offset(max(position, end))

    def _add(self, record: Any) -> None:  # noqa: ANN401 - aiokafka's record
        """Keep a record as the newest of its user; records in another form are ignored."""
        person = _person(record.key)
        if person is None:
            return
        if record.value is None:
            self._entries.pop(person, None)
            return
        with suppress(*MALFORMED):
            value = msgspec.json.decode(record.value, type=ErasureValue)
            self._entries[person] = Erasure(value.action, Offset(record.offset), value.key)


def _person(key: bytes | None) -> str | None:
    text = (key or b"").decode(errors="replace")
    workspace_id, _, pseudonym = text.partition(":")
    is_pseudonym = pseudonym.isascii() and pseudonym.isdigit() and len(pseudonym) <= PSEUDONYM_MAX_DIGITS
    return text if is_workspace_id(workspace_id) and is_pseudonym else None
