"""The fake Redis against a real one: the same calls have the same replies, and leave the same behind."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import pytest
from msgspec import msgpack
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from projector import keys, scripts
from projector.fold import Addition, pack
from tests.simulation.activity import START
from tests.simulation.redis_client import FakeRedis
from tests.simulation.redis_server import RedisServer
from tests.simulation.stored import AS_OF, CHECKPOINTS, DEPLOYMENT, GAPS
from tests.support.people import PLAIN_PEOPLE, count

STEPS: Final = 300
FAR: Final = 4_000_000_000
PARTITIONS: Final = ("activity:0", "activity:1")
COUNTERS: Final = tuple(keys.FIRST.bucket("acme", number) for number in range(3))
SPOILT: Final = keys.FIRST.bucket("acme", 9)
GENERATIONS: Final = (0, 0, 0, 1)
REVISIONS: Final = (0, 0, 0, 1)
SOME: Final = keys.Counter("acme", 0)
TOPIC_IDS: Final = ("one", "two")
MOST_GAPS: Final = 3

T = TypeVar("T")


class Straight:
    """A way to a fake server on which nothing can happen."""

    async def request(self, name: str, operation: Callable[[], T]) -> T:
        assert name
        return operation()


@dataclass
class Call:
    """A call of a script."""

    script: str
    keys: list[str]
    args: list[Any]


def some_call(chance: random.Random) -> Call:
    """Make a call in which offsets and ids are few, so that they are often those that are stored."""
    return chance.choice([apply, apply, apply, rewind, restart, window])(chance)


def apply(chance: random.Random) -> Call:
    counters = chance.sample(COUNTERS, k=chance.randrange(3))
    if chance.random() < 0.1:
        counters.insert(chance.randrange(len(counters) + 1), SPOILT)
    additions = [
        Addition(
            SOME,
            chance.choice([0, FAR, FAR + 900]),
            {str(chance.randrange(6))},
            is_expiry_set=chance.choice([True, False]),
        )
        for _ in counters
    ]
    start = chance.randrange(3)
    as_of = chance.choice(["", 999, 1_000, 10_000])
    args = [
        chance.choice(PARTITIONS),
        start,
        start + chance.randrange(2),
        as_of,
        pack(additions, PLAIN_PEOPLE),
    ]
    known = chance.choice([[], known_of(chance)])
    deployment = [keys.ONLY.deployment] if known or chance.random() < 0.5 else []
    places = [keys.FIRST.checkpoints, keys.FIRST.as_of]
    if chance.random() < 0.1:
        places[chance.randrange(2)] = SPOILT
    return Call(scripts.APPLY, [*places, *counters, *deployment], [*args, *known])


def known_of(chance: random.Random) -> list[Any]:
    """Return what a projection has read of the deployment."""
    return [
        chance.choice(GENERATIONS),
        chance.choice(TOPIC_IDS),
        chance.randrange(4),
        chance.choice(REVISIONS),
        chance.choice(["", "epoch-zero,2", "epoch-zero,1,older-than-retention,3"]),
    ]


def rewind(chance: random.Random) -> Call:
    gap = chance.choice(["", f"gap {chance.randrange(100)}"])
    args = [chance.choice(PARTITIONS), chance.randrange(3), chance.randrange(3), gap, MOST_GAPS]
    known = chance.choice([[], [chance.choice(GENERATIONS), chance.choice(TOPIC_IDS)]])
    places = [keys.FIRST.checkpoints, keys.FIRST.as_of, keys.ONLY.gaps, keys.ONLY.deployment]
    return Call(scripts.REWIND, places, [*args, *known])


def restart(chance: random.Random) -> Call:
    gaps = [f"gap {chance.randrange(100)}" for _ in range(chance.randrange(5))]
    beginnings = [word for name in PARTITIONS for word in (name, chance.randrange(3))]
    args = [chance.choice(GENERATIONS), chance.choice(TOPIC_IDS), MOST_GAPS, len(gaps), *gaps, *beginnings]
    return Call(
        scripts.RESTART,
        [keys.FIRST.checkpoints, keys.FIRST.as_of, keys.ONLY.gaps, keys.ONLY.deployment],
        args,
    )


def window(chance: random.Random) -> Call:
    places = [keys.ONLY.deployment, keys.FIRST.checkpoints, keys.FIRST.as_of, *chance.sample(COUNTERS, k=2)]
    return Call(scripts.WINDOW, places, [chance.choice(GENERATIONS)])


@pytest.mark.parametrize(
    ("field", "value"), [("held_until", FAR * 1_000), ("held_until", 1), ("forgotten", 1), ("generation", 1)]
)
async def test_a_batch_waits_or_is_sent_elsewhere_the_same(
    redis_client: Redis, field: str, value: int
) -> None:
    """A rebuild holds the live counters and replaces them, and forgetting changes who is counted."""
    server = RedisServer(lambda: START)
    fake: Any = FakeRedis(server, Straight())
    place = [keys.FIRST.checkpoints, keys.FIRST.as_of, keys.ONLY.gaps, keys.ONLY.deployment]
    await reply_of(fake, first := Call(scripts.RESTART, place, [0, "one", MOST_GAPS, 0, PARTITIONS[0], 0]))
    await reply_of(redis_client, first)
    server.store.hset(DEPLOYMENT, field.encode(), str(value).encode())
    await redis_client.hset(keys.ONLY.deployment, field, str(value))
    batch = [PARTITIONS[0], 0, 1, "", pack([], PLAIN_PEOPLE)]
    call = Call(scripts.APPLY, [*place[:2], keys.ONLY.deployment], [*batch, 0, "one", 1, 0])
    expected = {"held_until": b"HELD" if value > 1 else b"1"}.get(field, b"SUPERSEDED")
    assert await reply_of(fake, call) == await reply_of(redis_client, call) == expected


@pytest.mark.parametrize("seed", range(5))
async def test_scripts_reply_and_leave_the_same(redis_client: Redis, seed: int) -> None:
    chance = random.Random(seed)
    server = RedisServer(lambda: START)
    fake: Any = FakeRedis(server, Straight())
    await redis_client.set(SPOILT, "no counter")
    server.spoil(SPOILT.encode())
    for _ in range(STEPS):
        call = some_call(chance)
        assert await reply_of(fake, call) == await reply_of(redis_client, call), call
    assert left_in(server) == await left_in_real(redis_client)


@pytest.mark.parametrize("seed", range(3))
async def test_transactions_reply_and_leave_the_same(redis_client: Redis, seed: int) -> None:
    chance = random.Random(seed)
    server = RedisServer(lambda: START)
    fake: Any = FakeRedis(server, Straight())
    for _ in range(STEPS // 10):
        commands = [some_command(chance) for _ in range(chance.randrange(1, 5))]
        assert await replies_of(fake, commands) == await replies_of(redis_client, commands)
    assert left_in(server) == await left_in_real(redis_client)


def some_command(chance: random.Random) -> tuple[str, tuple[Any, ...]]:
    key = chance.choice([keys.FIRST.checkpoints, keys.ONLY.deployment])
    name = chance.choice(PARTITIONS)
    return chance.choice(
        [
            ("hsetnx", (key, name, str(chance.randrange(3)))),
            ("hget", (key, name)),
            ("hgetall", (key,)),
            ("lrange", (keys.ONLY.gaps, 0, -1)),
        ]
    )


async def replies_of(redis: Redis, commands: list[tuple[str, tuple[Any, ...]]]) -> list[Any]:
    async with redis.pipeline(transaction=True) as pipeline:
        for name, arguments in commands:
            getattr(pipeline, name)(*arguments)
        return await pipeline.execute()


async def reply_of(redis: Redis, call: Call) -> object:
    """Return the reply, or the kind of the error and where it occurred."""
    script = redis.register_script(scripts.source(call.script))
    try:
        reply = await script(keys=call.keys, args=call.args)
    except ResponseError as error:
        return type(error), str(error).split()[0], "(at" in str(error)
    if call.script == scripts.WINDOW and reply is not None:
        partitions, instants, *counts = msgpack.decode(reply)
        return partitions, sorted(instants), *counts  # a hash has no order
    return reply


def without_clock(fields: dict[bytes, bytes]) -> dict[bytes, bytes]:
    """Leave out instants: the servers have clocks of their own."""
    return {name: value for name, value in fields.items() if not name.startswith(b"expired_at:")}


def left_in(server: RedisServer) -> dict[str, Any]:
    store = server.store
    counters = [name.encode() for name in COUNTERS]
    return {
        "hashes": [without_clock(store.hashes.get(key, {})) for key in (CHECKPOINTS, AS_OF, DEPLOYMENT)],
        "gaps": store.lists.get(GAPS, []),
        "counts": [store.pfcount(counter) for counter in counters],
        "expiry": [
            store.expires_at.get(counter, -1) if counter in store.counters else -2 for counter in counters
        ],
    }


async def left_in_real(redis: Redis) -> dict[str, Any]:
    hashes: Any = [
        redis.hgetall(key) for key in (keys.FIRST.checkpoints, keys.FIRST.as_of, keys.ONLY.deployment)
    ]
    gaps: Any = redis.lrange(keys.ONLY.gaps, 0, -1)
    return {
        "hashes": [without_clock(await found) for found in hashes],
        "gaps": await gaps,
        "counts": [await count(redis, counter) for counter in COUNTERS],
        "expiry": [await redis.expiretime(counter) for counter in COUNTERS],
    }
