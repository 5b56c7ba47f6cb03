"""The dead-letter topic: keeps records that are not events, unchanged and with the reason."""

import asyncio
import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    InvalidTimestampError,
    InvalidTopicError,
    KafkaError,
    MessageSizeTooLargeError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
)

from ingest.batch import Partition
from ingest.errors import PartitionStoppedError, UnavailableError
from ingest.kafka.header_names import encode_name
from ingest.kafka.producer import TOO_LARGE, InvalidRecordError, KafkaProducer, Message, is_permanent
from ingest.kafka.topic_metadata import read_topic_error
from ingest.ports import DeadLetter

DEAD_LETTER_SUFFIX: Final = ".dlq"
WHOLE_MAX_BYTES: Final = 900_000
"""A larger letter, with its headers, would exceed Kafka's default of 1 MiB a message."""
ABRIDGED_BYTES: Final = 16_384
"""How many bytes of an oversized value, and of an oversized key, an abridged letter carries."""
HEADER_BYTES: Final = 10
"""The most that a header takes in addition to its name and value: the two lengths."""
ERROR_MAX_CHARACTERS: Final = 500
KNOWN_SECONDS: Final = 2.0
"""How long it may take until all brokers know a topic that was just created."""

_GRANT: Final = "grant the worker's Kafka user Write and Describe on it"
_ADVICE: Final[Mapping[type[KafkaError], str]] = {
    **dict.fromkeys(TOO_LARGE, f"raise its max.message.bytes to {2 * ABRIDGED_BYTES} or more"),
    InvalidRecordError: "set its cleanup.policy to delete: a compacted topic refuses records without a key",
    TopicAuthorizationFailedError: _GRANT,
    ClusterAuthorizationFailedError: _GRANT,
    UnknownTopicOrPartitionError: "it does not exist: create it, or restart a worker, which creates it",
    InvalidTopicError: "no topic can have this name: shorten KAFKA_TOPIC",
    InvalidTimestampError: "set its message.timestamp.type to LogAppendTime, or correct the worker's clock",
}


class KafkaDeadLetters:
    """Publishes to `<topic>.dlq`; `options` are aiokafka's client options: addresses and security.

    A letter's headers are `headcount-topic`, `-partition`, `-offset`, `-timestamp`, `-reason` and `-error`,
    then the record's own. Its timestamp is the present: brokers refuse some timestamps that records have, and
    expire others. An abridged letter has `-value-bytes`, `-value-sha256` and `-key-bytes` instead of the
    record's own headers. A letter may be published twice; it names its source partition and offset.
    """

    def __init__(self, topic: str, options: Mapping[str, Any]) -> None:
        self._topic = topic + DEAD_LETTER_SUFFIX
        self._producer = KafkaProducer(options, name="dead letters")
        self._refused: dict[Partition, tuple[int, int]] = {}

    async def start(self) -> None:
        await self._producer.start()

    async def stop(self) -> None:
        await self._producer.stop()

    async def publish(self, letters: Sequence[DeadLetter]) -> None:
        """Return when every letter is acknowledged; one that is too large for the broker is sent abridged.

        Raises `UnavailableError` if a retry may succeed, and `PartitionStoppedError` if the topic refuses a
        letter until an operator changes something. In both cases any of the letters may be published.
        """
        if not letters:
            return
        await self._check_topic(letters[0])
        # The letter that was refused last first: otherwise every retry would publish the others again.
        refused = [letter for letter in letters if _origin(letter) == self._refused.get(letter.partition)]
        await self._publish(refused)
        await self._publish([letter for letter in letters if letter not in refused])
        self._refused.pop(letters[0].partition, None)

    async def _publish(self, letters: Sequence[DeadLetter]) -> None:
        too_large = await self._send(letters, fitting)
        if still := await self._send(too_large, abridged):
            raise self._refusal(still[0], MessageSizeTooLargeError())

    async def _check_topic(self, letter: DeadLetter) -> None:
        """Check that the topic exists; aiokafka by itself retries until the request times out."""
        try:
            async with asyncio.timeout(KNOWN_SECONDS):
                await self._producer.partitions_of(self._topic)
        except TimeoutError:
            error = await read_topic_error(self._producer.client, self._topic)
            raise self._cause(letter, error) from error
        except KafkaError as error:
            raise self._cause(letter, error) from error

    async def _send(
        self, letters: Sequence[DeadLetter], form: Callable[[DeadLetter], Message]
    ) -> Sequence[DeadLetter]:
        """Publish all letters in a form; return those that are too large for the broker."""
        outcomes = await self._producer.publish([(self._topic, None, form(letter)) for letter in letters])
        too_large = []
        for letter, error in zip(letters, outcomes, strict=True):
            if isinstance(error, TOO_LARGE):
                too_large.append(letter)
            elif error is not None:
                raise self._cause(letter, error) from error
        return too_large

    def _cause(self, letter: DeadLetter, error: BaseException) -> UnavailableError | PartitionStoppedError:
        """Return an error that stops the partition if only an operator can help, else one that is retried."""
        if is_permanent(error):
            return self._refusal(letter, error)
        return UnavailableError(f"Kafka did not accept a dead letter: {error!r}")

    def _refusal(self, letter: DeadLetter, error: BaseException) -> PartitionStoppedError:
        self._refused[letter.partition] = _origin(letter)
        advice = _ADVICE.get(type(error), "see the log of the broker")
        return PartitionStoppedError(
            letter.partition,
            f"{self._topic} refuses the dead letter for offset {letter.record.offset}"
            f" ({type(error).__name__}): {advice}",
        )


def _origin(letter: DeadLetter) -> tuple[int, int]:
    return letter.record.offset, letter.record.timestamp


def fitting(letter: DeadLetter) -> Message:
    """Return the letter with key and value unchanged if they fit a Kafka message, else abridged."""
    record = letter.record
    own_headers = list(record.headers)
    size = len(record.key or b"") + len(record.value or b"")
    size += sum(HEADER_BYTES + len(encode_name(name)) + len(value or b"") for name, value in own_headers)
    if size > WHOLE_MAX_BYTES:
        return abridged(letter)
    return Message(record.key, record.value, [*_headers(letter), *own_headers])


def abridged(letter: DeadLetter) -> Message:
    """Return the letter with the beginning of key and value, and with size and SHA-256 of the whole value."""
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
