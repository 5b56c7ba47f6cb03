"""Redis without the key: it contains no user id, neither readable nor as a guessable hash."""

import hashlib
from collections.abc import Iterator
from typing import Any

from redis.asyncio import Redis

from ingest.batch import Batch, Offset, Partition
from ingest.events.event import Event
from ingest.ports import Extent, LogState
from projector import keys
from tests.suites.projections import redis_projection
from tests.support.fakes_log import NOW
from tests.support.people import KEY, PSEUDONYMS

PARTITION = Partition("user-activity", 0)
PEOPLE = [f"person-{number}@example.org" for number in range(600)]


async def test_no_user_id_can_be_found_in_any_key_or_value(redis_client: Redis) -> None:
    """With exact counters and estimates, their buckets, and a forgotten user."""
    events = [Event("large", NOW, "message", user_id) for user_id in PEOPLE]
    events += [Event("small", NOW, "message", user_id) for user_id in PEOPLE[:100]]
    projection = redis_projection(redis_client)
    await projection.claim()
    await projection.begin(LogState("one", {PARTITION: Extent(Offset(0), Offset(0))}))
    batch = Batch(partition=PARTITION, start=Offset(0), end=Offset(len(events)), events=events, as_of=NOW)
    assert await projection.apply(batch) == batch.end
    (forgotten,) = PSEUDONYMS.of("small", PEOPLE[:1])
    await redis_client.sadd(keys.ONLY.forgotten, f"small:{forgotten}")
    content = await everything_in(redis_client)
    assert b"small" in content  # it was looked at
    assert KEY.encode() not in content
    for user_id in PEOPLE:
        assert user_id.encode() not in content
        for trace in traces_of(user_id):
            assert trace not in content


def traces_of(user_id: str) -> Iterator[bytes]:
    """Yield what an attacker without the key would search for: common hashes, in text and in bytes."""
    for name in ("md5", "sha1", "sha256", "blake2b"):
        digest = hashlib.new(name, user_id.encode()).digest()
        yield from (digest, digest.hex().encode(), str(int.from_bytes(digest[:8]) >> 1).encode())
    unkeyed = hashlib.blake2b(user_id.encode(), digest_size=8).digest()
    yield from (unkeyed, unkeyed.hex().encode(), str(int.from_bytes(unkeyed) >> 1).encode())


async def everything_in(redis: Redis) -> bytes:
    """Return all keys and values, as Redis writes them to disk and as it returns them."""
    parts: list[Any] = []
    async for key in redis.scan_iter():
        parts += [key, await redis.dump(key) or b""]
        match await redis.type(key):
            case b"set":
                parts += await redis.smembers(key)
            case b"hash":
                parts += [each for item in (await redis.hgetall(key)).items() for each in item]
    assert len(parts) > 2 * len([keys.ONLY.deployment, keys.ONLY.forgotten])
    return b"\n".join(parts)
