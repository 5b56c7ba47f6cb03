"""The background load, in a process of its own: live events at a steady rate, until it is ended.

    python -m benchmarks.freshness.background --kafka HOST:PORT --topic TOPIC --rate 50000

All of an event but its instant is made beforehand, so that the load itself takes little of the machine.
"""

import asyncio
import random
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from itertools import cycle
from typing import Annotated, Final

import orjson
import typer
from aiokafka import AIOKafkaProducer

from benchmarks.backlog import SEED, USER_ID_CHARACTERS, USERS, WORKSPACES
from benchmarks.freshness.pace import Pace

LINGER_SECONDS: Final = 0.01
BATCH_BYTES: Final = 256 * 1024
END: Final = b'","type":"message"}'


def beginnings() -> Sequence[bytes]:
    """Return what an event of each user begins with: all up to its instant."""
    events = (
        {
            "workspace_id": f"workspace-{user % WORKSPACES}",
            "user_id": f"{user:0{USER_ID_CHARACTERS}}",
            "occurred_at": "",
        }
        for user in range(USERS)
    )
    return [orjson.dumps(event).removesuffix(b'"}') for event in events]


class Background:
    """Publishes a batch every `LINGER_SECONDS`, as a producer that lingers, to the partitions in turn."""

    def __init__(self, producer: AIOKafkaProducer, topic: str, partitions: Sequence[int]) -> None:
        self._producer = producer
        self._topic = topic
        self._partitions = cycle(partitions)
        self._beginnings = beginnings()
        self._dice = random.Random(SEED)

    async def run(self, rate: int) -> None:
        clock = asyncio.get_running_loop().time
        pace = Pace(rate, start=clock())
        while True:
            await asyncio.sleep(LINGER_SECONDS)
            await self._publish(pace.due(clock()))

    async def _publish(self, events: int) -> None:
        instant = datetime.now(UTC).isoformat(timespec="seconds").removesuffix("+00:00")
        end = f"{instant}Z".encode() + END
        batch = self._producer.create_batch()
        for beginning in self._dice.choices(self._beginnings, k=events):
            if batch.append(timestamp=None, key=None, value=beginning + end) is None:
                await self._send(batch)
                batch = self._producer.create_batch()
                batch.append(timestamp=None, key=None, value=beginning + end)
        if events:
            await self._send(batch)

    async def _send(self, batch: object) -> None:
        # Waits only where the batch before on that partition is not under way yet.
        delivery = await self._producer.send_batch(batch, self._topic, partition=next(self._partitions))
        delivery.add_done_callback(asyncio.Future.result)


def main(
    *,
    kafka: Annotated[str, typer.Option()],
    topic: Annotated[str, typer.Option()],
    rate: Annotated[int, typer.Option(min=1)],
) -> None:
    """Publish."""
    with suppress(KeyboardInterrupt):
        asyncio.run(_run(kafka, topic, rate))


async def _run(kafka: str, topic: str, rate: int) -> None:
    async with AIOKafkaProducer(
        bootstrap_servers=kafka, acks="all", compression_type="lz4", max_batch_size=BATCH_BYTES
    ) as producer:
        partitions = sorted(await producer.partitions_for(topic))
        await Background(producer, topic, partitions).run(rate)


if __name__ == "__main__":
    typer.run(main)
