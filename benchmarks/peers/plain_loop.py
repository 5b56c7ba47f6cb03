"""A plain loop around aiokafka, with one PFADD an event: what is written first, before it has to be fast."""

import asyncio

import orjson
from aiokafka import AIOKafkaConsumer
from redis.asyncio import Redis

from benchmarks.peers.days import key_of
from benchmarks.peers.turn import Turn
from benchmarks.throughput.run import Run, Stopwatch

POLL_RECORDS = 5_000


async def take(turn: Turn) -> Run:
    """Count the events one by one."""
    consumer = AIOKafkaConsumer(
        turn.topic,
        bootstrap_servers=turn.kafka,
        group_id=turn.group,
        auto_offset_reset="earliest",
    )
    await consumer.start()
    try:
        async with Redis.from_url(turn.redis) as redis:
            return await _count(consumer, redis, turn.events)
    finally:
        await consumer.stop()


async def _count(consumer: AIOKafkaConsumer, redis: Redis, events: int) -> Run:
    stopwatch, seen = None, 0
    while seen < events:
        for records in (await consumer.getmany(timeout_ms=1_000, max_records=POLL_RECORDS)).values():
            stopwatch = stopwatch or Stopwatch(0)
            for record in records:
                event = orjson.loads(record.value)
                await redis.pfadd(key_of(event), event["user_id"])
            seen += len(records)
    if stopwatch is None:
        raise RuntimeError("there was nothing to read")
    return stopwatch.stop(seen)


if __name__ == "__main__":
    asyncio.run(take(Turn.told())).print()
