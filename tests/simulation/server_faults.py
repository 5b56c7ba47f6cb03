"""What may happen to Kafka and Redis, and to the way there."""

from typing import Final

from aiokafka.errors import KafkaConnectionError

from projector import keys
from tests.simulation.activity import DAYS
from tests.simulation.durations import some_seconds
from tests.simulation.network import QUICK_SECONDS, Network, Weather
from tests.simulation.processes import Process
from tests.simulation.redis_server import full, loading, misconfigured, read_only, refused
from tests.simulation.world import World

LOSSY_SLOWEST: Final = (QUICK_SECONDS, 1.0)
"""A request that is lost after a while leaves time for much else to happen meanwhile."""


def kafka_away(world: World, _caller: Process) -> str:
    return _weather(world, world.to_kafka, "Kafka is away", Weather(outage=KafkaConnectionError))


def kafka_hangs(world: World, _caller: Process) -> str:
    return _weather(world, world.to_kafka, "Kafka hangs", Weather(hanging=True))


def kafka_slow(world: World, _caller: Process) -> str:
    slowest = world.chance.choice([0.2, 1.0, 6.0])
    return _weather(world, world.to_kafka, f"Kafka takes up to {slowest} s", Weather(slowest=slowest))


def kafka_lossy(world: World, _caller: Process) -> str:
    slowest = world.chance.choice(LOSSY_SLOWEST)
    weather = Weather(slowest, lost_requests=0.2, lost_replies=0.2)
    return _weather(world, world.to_kafka, "Kafka is lossy", weather)


def redis_away(world: World, _caller: Process) -> str:
    return _weather(world, world.to_redis, "Redis is away", Weather(outage=refused))


def redis_loads(world: World, _caller: Process) -> str:
    return _weather(world, world.to_redis, "Redis is loading", Weather(outage=loading))


def redis_hangs(world: World, _caller: Process) -> str:
    return _weather(world, world.to_redis, "Redis hangs", Weather(hanging=True))


def redis_slow(world: World, _caller: Process) -> str:
    slowest = world.chance.choice([0.2, 1.0, 6.0])
    return _weather(world, world.to_redis, f"Redis takes up to {slowest} s", Weather(slowest=slowest))


def redis_lossy(world: World, _caller: Process) -> str:
    slowest = world.chance.choice(LOSSY_SLOWEST)
    weather = Weather(slowest, lost_requests=0.2, lost_replies=0.3)
    return _weather(world, world.to_redis, "Redis is lossy", weather)


def redis_takes_no_writes(world: World, _caller: Process) -> str:
    why = world.chance.choice([full, read_only, misconfigured])
    world.redis.no_writes = why
    world.loop.later(some_seconds(world.chance), lambda: setattr(world.redis, "no_writes", None))
    return f"Redis takes no writes: {why()}"


def redis_rolls_back(world: World, _caller: Process) -> str:
    """Restart with the newest state lost: any number of transactions, mostly a few."""
    length = world.redis.store.length
    lost = int(world.chance.random() ** 3 * (length + 1))
    world.redis.roll_back(length - lost)
    return _weather(world, world.to_redis, f"Redis lost its last {lost} changes", Weather(outage=refused))


def redis_flushed(world: World, _caller: Process) -> str:
    world.redis.flush()
    return "FLUSHALL"


def wrong_type(world: World, _caller: Process) -> str | None:
    """Put a key of a wrong type where a counter is to be."""
    possible = [keys.FIRST.day("initech", day).encode() for day in DAYS]
    free = [key for key in possible if key not in world.redis.store.counters]
    if not free or world.redis.no_writes is not None:
        return None
    world.redis.spoil(free[0])
    world.loop.later(some_seconds(world.chance), world.redis.repair)
    return f"{free[0]!r} is of a wrong type"


def _weather(world: World, network: Network, what: str, weather: Weather) -> str:
    seconds = some_seconds(world.chance)
    network.calm()
    network.weather = weather
    world.loop.later(seconds, network.calm)
    return f"{what} for {seconds:.1f} s"
