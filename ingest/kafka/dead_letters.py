"""The dead-letter topic: where records go that are not events, whole and with the reason."""

import asyncio
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError

from ingest.errors import UnavailableError
from ingest.kafka.shutdown import close_within
from ingest.ports import DeadLetter, Headers

DEAD_LETTER_SUFFIX: Final = ".dlq"
WHOLE_MAX_BYTES: Final = 900_000
"""A larger letter would not fit Kafka's default of 1 MiB a message with our headers around it."""
ABRIDGED_BYTES: Final = 16_384
"""How much of an oversized value, and of an oversized key, an abridged letter carries."""
HEADER_BYTES: Final = 10
"""What a header takes at most beside its name and value: both their lengths."""
ERROR_MAX_CHARACTERS: Final = 500
REQUEST_MILLISECONDS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Message:
    """A dead letter as it stands in the dead-letter topic.

    Its headers are `headcount-topic`, `-partition`, `-offset`, `-reason` and `-error`, then the record's own.
    An abridged one has `-value-bytes`, `-value-sha256` and `-key-bytes` in place of the record's own.
    """

    key: bytes | None
    value: bytes | None
    headers: Headers


class KafkaDeadLetters:
    """Publishes to `<topic>.dlq`; `options` are aiokafka's client options: addresses and security."""

    def __init__(self, topic: str, options: Mapping[str, Any]) -> None:
        self._topic = topic + DEAD_LETTER_SUFFIX
        self._options = options
        self._producer: AIOKafkaProducer

    async def start(self) -> None:
        self._producer = AIOKafkaProducer(
            # Not idempotent: aiokafka's idempotent producer never gives a batch up, and the loop could not go
            # on polling meanwhile. A letter may come twice; it names its source partition and offset.
            acks="all",
            request_timeout_ms=REQUEST_MILLISECONDS,
            **self._options,
        )
        try:
            await self._producer.start()
        except KafkaError as error:
            await self.stop()
            raise UnavailableError(f"Kafka can't be reached: {error}") from error
        except asyncio.CancelledError:
            await self.stop()
            raise

    async def stop(self) -> None:
        await close_within("dead letters", self._producer.stop())

    async def publish(self, letters: Sequence[DeadLetter]) -> None:
        """Return when every letter is acknowledged; one that the broker finds too large goes abridged."""
        too_large = await self._send(letters, fitting)
        if await self._send(too_large, abridged):
            raise UnavailableError(
                f"{self._topic} takes no message of {ABRIDGED_BYTES} bytes: raise its max.message.bytes"
            )

    async def _send(
        self, letters: Sequence[DeadLetter], form: Callable[[DeadLetter], Message]
    ) -> Sequence[DeadLetter]:
        """Send all and await all; return those that are too large for the broker."""
        try:
            sent = [await self._enqueue(letter, form(letter)) for letter in letters]
        except KafkaError as error:
            raise UnavailableError(f"Kafka took no dead letter: {error!r}") from error
        outcomes = await asyncio.gather(*sent, return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, BaseException) and not isinstance(outcome, MessageSizeTooLargeError):
                raise UnavailableError(f"Kafka took no dead letter: {outcome!r}") from outcome
        return [
            letter
            for letter, outcome in zip(letters, outcomes, strict=True)
            if isinstance(outcome, Exception)
        ]

    async def _enqueue(self, letter: DeadLetter, message: Message) -> asyncio.Future[Any]:
        timestamp = letter.record.timestamp if letter.record.timestamp >= 0 else None
        if message.key is None and message.value is None:
            return await self._enqueue_bare(message, timestamp)
        future: asyncio.Future[Any] = await self._producer.send(
            self._topic,
            key=message.key,
            value=message.value,
            headers=message.headers,
            timestamp_ms=timestamp,
        )
        return future

    async def _enqueue_bare(self, message: Message, timestamp: int | None) -> asyncio.Future[Any]:
        """Send what has neither key nor value as a batch: aiokafka's `send` asserts one of them."""
        batch = self._producer.create_batch()
        batch.append(key=None, value=None, headers=message.headers, timestamp=timestamp)
        future: asyncio.Future[Any] = await self._producer.send_batch(batch, self._topic, partition=0)
        return future


def fitting(letter: DeadLetter) -> Message:
    """Carry key and value byte for byte where they fit a Kafka message, abridged where not."""
    record = letter.record
    own_headers = list(record.headers)
    size = len(record.key or b"") + len(record.value or b"")
    size += sum(HEADER_BYTES + len(name.encode()) + len(value or b"") for name, value in own_headers)
    if size > WHOLE_MAX_BYTES:
        return abridged(letter)
    return Message(record.key, record.value, [*_headers(letter), *own_headers])


def abridged(letter: DeadLetter) -> Message:
    """Carry the beginning of key and value, and the size and SHA-256 by which to know the whole value."""
    key, value = letter.record.key, letter.record.value or b""
    facts = {
        "headcount-value-bytes": str(len(value)),
        "headcount-value-sha256": hashlib.sha256(value).hexdigest(),
        "headcount-key-bytes": str(len(key or b"")),
    }
    headers = [*_headers(letter), *((name, text.encode()) for name, text in facts.items())]
    return Message(None if key is None else key[:ABRIDGED_BYTES], value[:ABRIDGED_BYTES], headers)


def _headers(letter: DeadLetter) -> list[tuple[str, bytes]]:
    facts = {
        "headcount-topic": letter.partition.topic,
        "headcount-partition": str(letter.partition.number),
        "headcount-offset": str(letter.record.offset),
        "headcount-reason": letter.reason,
        "headcount-error": letter.error[:ERROR_MAX_CHARACTERS],
    }
    return [(name, text.encode()) for name, text in facts.items()]
