"""The offsets of a topic's partitions. Each leader is asked on its own, so one that fails hides no other."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError, NoError, for_code
from aiokafka.protocol.offset import OffsetRequest, OffsetResetStrategy

from ingest.batch import Offset, Partition
from ingest.errors import UnavailableError
from ingest.kafka.topic_metadata import NO_LEADER, read_topic
from ingest.ports import Extent, LogState

SETTLING_SECONDS: Final = 1.0
"""How long offsets are asked for again: a leader may have been elected a moment ago."""
PAUSE_SECONDS: Final = 0.1
WITHOUT_LEADER: Final = "it has no leader; start the brokers that hold its replicas"

_Found = Mapping[int, Extent | str]
"""The extent of each partition, or why it cannot be read."""


async def read_log_state(client: AIOKafkaClient, topic: str, *, committed_only: bool = False) -> LogState:
    """Read the topic's id and the offsets of all its partitions, past every cache.

    With `committed_only`, a partition ends before its first open transaction. Raises `UnavailableError`
    where the topic, or none of its partitions, can be read.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + SETTLING_SECONDS
    while True:
        topic_id, found = await _read(client, topic, isolation_level=int(committed_only))
        failed = {number: cause for number, cause in found.items() if isinstance(cause, str)}
        # The absence of a leader is what Kafka says of the present; anything else may be over at once.
        if set(failed.values()) <= {WITHOUT_LEADER} or loop.time() >= deadline:
            break
        await asyncio.sleep(PAUSE_SECONDS)
    extents = {number: each for number, each in found.items() if isinstance(each, Extent)}
    state = LogState(
        topic_id,
        {Partition(topic, number): extent for number, extent in sorted(extents.items())},
        {Partition(topic, number): cause for number, cause in sorted(failed.items())},
    )
    if not state.extents:
        raise UnavailableError(f"Kafka's offsets can't be read: {state.describe_unavailable()}")
    return state


async def _read(client: AIOKafkaClient, topic: str, *, isolation_level: int) -> tuple[str, _Found]:
    topic_id, leaders = await read_topic(client, topic)
    led: defaultdict[int, list[int]] = defaultdict(list)
    for number, leader in leaders.items():
        led[leader].append(number)
    found: dict[int, Extent | str] = dict.fromkeys(led.pop(NO_LEADER, ()), WITHOUT_LEADER)
    for answer in await asyncio.gather(
        *(_ask(client, leader, topic, numbers, isolation_level) for leader, numbers in led.items())
    ):
        found.update(answer)
    return topic_id, found


async def _ask(
    client: AIOKafkaClient, leader: int, topic: str, numbers: Sequence[int], isolation_level: int
) -> _Found:
    async def offsets(at: int) -> Mapping[int, int | str]:
        wanted = [(topic, [(number, at) for number in numbers])]
        response: Any = await client.send(leader, OffsetRequest(-1, isolation_level, wanted))
        ((_topic, partitions),) = response.topics
        return {
            number: offset if for_code(error) is NoError else for_code(error).__name__
            for number, error, _timestamp, offset in partitions
        }

    try:
        # In this order: the beginning only grows, and must not pass an end that was read before it.
        beginnings = await offsets(OffsetResetStrategy.EARLIEST)
        ends = await offsets(OffsetResetStrategy.LATEST)
    except KafkaError as error:
        return dict.fromkeys(numbers, f"its leader, broker {leader}, does not answer: {error!r}")
    return {number: _extent(beginnings[number], ends[number]) for number in numbers}


def _extent(beginning: int | str, end: int | str) -> Extent | str:
    if isinstance(beginning, str) or isinstance(end, str):
        return f"its leader refuses its offsets: {beginning if isinstance(beginning, str) else end}"
    return Extent(Offset(beginning), Offset(end))
