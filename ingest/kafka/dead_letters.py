"""The dead-letter topic: where records go that are not events, whole and with the reason."""

import asyncio
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    BrokerNotAvailableError,
    BrokerResponseError,
    ClusterAuthorizationFailedError,
    InvalidTimestampError,
    InvalidTopicError,
    KafkaError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
    ReplicaNotAvailableError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
    kafka_errors,
)

from ingest.batch import Partition
from ingest.errors import PartitionStoppedError, UnavailableError
from ingest.kafka.header_names import AnyNamesBatch, are_text, encode_name
from ingest.kafka.shutdown import close_within
from ingest.kafka.topic_metadata import read_topic_error
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
KNOWN_SECONDS: Final = 2.0
"""How long brokers may take until all of them know a topic that was just created."""


class InvalidRecordError(BrokerResponseError):  # type: ignore[misc]  # aiokafka ships no types
    """A record breaks a rule of its topic, as without a key in a compacted one; aiokafka lacks the code."""

    errno = 87
    message = "INVALID_RECORD"


_TOO_LARGE: Final = (MessageSizeTooLargeError, RecordListTooLargeError)
_TRANSIENT: Final = (BrokerNotAvailableError, ReplicaNotAvailableError)
"""Errors of a broker that pass by themselves, although aiokafka does not call them so."""
_GRANT: Final = "grant the worker's Kafka user Write and Describe on it"
_ADVICE: Final[Mapping[type[KafkaError], str]] = {
    **dict.fromkeys(_TOO_LARGE, f"raise its max.message.bytes to {2 * ABRIDGED_BYTES} or more"),
    InvalidRecordError: "set its cleanup.policy to delete: a compacted topic takes no record without a key",
    TopicAuthorizationFailedError: _GRANT,
    ClusterAuthorizationFailedError: _GRANT,
    UnknownTopicOrPartitionError: "there is no such topic: create it, or restart a worker, which creates it",
    InvalidTopicError: "no topic can have this name: shorten KAFKA_TOPIC",
    InvalidTimestampError: "set its message.timestamp.type to LogAppendTime, or correct the worker's clock",
}


@dataclass(frozen=True, slots=True)
class Message:
    """A dead letter as it stands in the dead-letter topic.

    Its headers are `headcount-topic`, `-partition`, `-offset`, `-timestamp`, `-reason` and `-error`, then the
    record's own. Its timestamp is the present: brokers refuse some that records have, and expire others.
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
        self._refused: dict[Partition, tuple[int, int]] = {}
        self._producer: AIOKafkaProducer
        kafka_errors.setdefault(InvalidRecordError.errno, InvalidRecordError)

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
        """Return when every letter is acknowledged; one that the broker finds too large is sent abridged.

        Raises `UnavailableError` where the same letters may be taken later, and `PartitionStoppedError` where
        the topic takes one of them only once an operator has changed something; any of them may be in then.
        """
        if not letters:
            return
        await self._check_topic(letters[0])
        # First what was refused before: else the letters around it would be published again by every retry.
        refused = [letter for letter in letters if _place(letter) == self._refused.get(letter.partition)]
        await self._publish(refused)
        await self._publish([letter for letter in letters if letter not in refused])
        self._refused.pop(letters[0].partition, None)

    async def _publish(self, letters: Sequence[DeadLetter]) -> None:
        too_large = await self._send(letters, fitting)
        if still := await self._send(too_large, abridged):
            raise self._refusal(still[0], MessageSizeTooLargeError())

    async def _check_topic(self, letter: DeadLetter) -> None:
        """Find out soon whether there is a topic to write to: aiokafka tries as long as a request lasts."""
        try:
            async with asyncio.timeout(KNOWN_SECONDS):
                await self._producer.partitions_for(self._topic)
        except TimeoutError:
            error = await read_topic_error(self._producer.client, self._topic)
            raise self._cause(letter, error) from error
        except KafkaError as error:
            raise self._cause(letter, error) from error

    async def _send(
        self, letters: Sequence[DeadLetter], form: Callable[[DeadLetter], Message]
    ) -> Sequence[DeadLetter]:
        """Send all and await all; return those that are too large for the broker."""
        sent: list[asyncio.Future[Any]] = []
        for letter in letters:
            try:
                sent.append(await self._enqueue(form(letter)))
            except KafkaError as error:
                await asyncio.gather(*sent, return_exceptions=True)
                raise self._cause(letter, error) from error
        outcomes = await asyncio.gather(*sent, return_exceptions=True)
        too_large = []
        for letter, outcome in zip(letters, outcomes, strict=True):
            if isinstance(outcome, _TOO_LARGE):
                too_large.append(letter)
            elif isinstance(outcome, BaseException):
                raise self._cause(letter, outcome) from outcome
        return too_large

    def _cause(self, letter: DeadLetter, error: BaseException) -> UnavailableError | PartitionStoppedError:
        """Tell what only an operator can change from what passes by itself."""
        is_lasting = isinstance(error, BrokerResponseError) and not error.retriable
        if isinstance(error, UnknownTopicOrPartitionError) or (
            is_lasting and not isinstance(error, _TRANSIENT)
        ):
            return self._refusal(letter, error)
        return UnavailableError(f"Kafka took no dead letter: {error!r}")

    def _refusal(self, letter: DeadLetter, error: BaseException) -> PartitionStoppedError:
        self._refused[letter.partition] = _place(letter)
        advice = _ADVICE.get(type(error), "see the log of the broker")
        return PartitionStoppedError(
            letter.partition,
            f"{self._topic} takes no dead letter for offset {letter.record.offset}"
            f" ({type(error).__name__}): {advice}",
        )

    async def _enqueue(self, message: Message) -> asyncio.Future[Any]:
        future: asyncio.Future[Any]
        if (message.key is None and message.value is None) or not are_text(message.headers):
            # As a batch: aiokafka's `send` asserts a key or a value, and names of headers that are UTF-8.
            batch = AnyNamesBatch(key=message.key, value=message.value, headers=message.headers)
            future = await self._producer.send_batch(batch, self._topic, partition=0)
            return future
        future = await self._producer.send(
            self._topic, key=message.key, value=message.value, headers=message.headers
        )
        return future


def _place(letter: DeadLetter) -> tuple[int, int]:
    return letter.record.offset, letter.record.timestamp


def fitting(letter: DeadLetter) -> Message:
    """Carry key and value byte for byte where they fit a Kafka message, abridged where not."""
    record = letter.record
    own_headers = list(record.headers)
    size = len(record.key or b"") + len(record.value or b"")
    size += sum(HEADER_BYTES + len(encode_name(name)) + len(value or b"") for name, value in own_headers)
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
        "headcount-timestamp": str(letter.record.timestamp),
        "headcount-reason": letter.reason,
        "headcount-error": letter.error[:ERROR_MAX_CHARACTERS],
    }
    return [(name, text.encode()) for name, text in facts.items()]
