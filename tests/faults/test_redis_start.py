"""A start that would count wrongly is refused with a sentence, and disturbs nobody who runs already."""

import asyncio

from tests.faults.drill import Drill
from tests.faults.plant import Plant

REFUSED = 1


async def test_a_worker_that_would_count_wrongly_is_refused(drill: Drill) -> None:
    async with (
        drill("start refused", "for another topic, time zone, eviction policy") as exercise,
        exercise.plant.redis() as redis,
    ):
        topic, zone = await asyncio.gather(
            _refusal(exercise.plant, KAFKA_TOPIC="another"),
            _refusal(exercise.plant, TIME_ZONE="Europe/Vienna"),
        )
        assert topic.startswith("headcount: Redis holds counters for KAFKA_TOPIC=")
        assert "but this process is configured with KAFKA_TOPIC='another'" in topic
        assert zone.startswith(
            "headcount: Redis holds counters for TIME_ZONE='UTC', but this process is configured with "
            "TIME_ZONE='Europe/Vienna'"
        )
        await redis.config_set("maxmemory-policy", "allkeys-lru")
        policy = await _refusal(exercise.plant)
        await redis.config_set("maxmemory-policy", "noeviction")
        assert policy.startswith("headcount: Redis' maxmemory-policy is allkeys-lru")


async def _refusal(plant: Plant, **environment: str) -> str:
    """Start one more worker, and return the sentence with which it ends."""
    worker = plant.process("worker", **environment)
    worker.start()
    await worker.ended()
    assert worker.exit_code == REFUSED
    *before, line = worker.lines()
    assert {each["event"] for each in before} <= {"serving metrics"}
    return str(line["event"])
