"""People as the counters know them: the key that tests hash under, and what a counter holds of them."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from redis.asyncio import Redis

from projector.counted_users import CountedUsers
from projector.pseudonyms import Pseudonyms

CACHED_COUNT: Final = slice(8, 16)
"""Where a HyperLogLog keeps the count it was last asked for: not a part of what was counted."""

KEY = "a key for tests, as long as it has to be"
PSEUDONYMS = Pseudonyms(KEY)
PEOPLE = CountedUsers(PSEUDONYMS)


class PlainIds(Pseudonyms):
    """Keeps ids as they are, for fakes whose counters are looked into."""

    def of(self, workspace_id: str, user_ids: Iterable[str]) -> list[str]:
        assert workspace_id
        return list(user_ids)


PLAIN_IDS = PlainIds(KEY)
PLAIN_PEOPLE = CountedUsers(PLAIN_IDS)


async def count(redis: Redis, key: str) -> int:
    """Count the people in a counter, be it a set or a HyperLogLog."""
    counted: int = await (redis.scard(key) if await is_exact(redis, key) else redis.pfcount(key))
    return counted


async def is_exact(redis: Redis, key: str) -> bool:
    return await redis.type(key) == b"set"


async def content(redis: Redis, key: str) -> bytes:
    """Return what a counter holds, in the form that depends on nothing else."""
    if await is_exact(redis, key):
        return _stored_form(await redis.smembers(key))
    await redis.set("dense", b"HYLL" + bytes(12 + 12_288))
    await redis.pfmerge("dense", key)
    registers = _stored_form(await redis.get("dense"))
    await redis.delete("dense")
    return registers


async def as_stored(redis: Redis, keys: Sequence[bytes]) -> dict[bytes, bytes]:
    """Return counters as Redis stores them: sorted members, or a sketch without its cached count."""
    kinds = await _ask_each(redis, keys, lambda _: "TYPE")
    commands = {key: "SMEMBERS" if kind == b"set" else "GET" for key, kind in kinds.items()}
    found = await _ask_each(redis, keys, commands.__getitem__)
    return {key: _stored_form(value) for key, value in found.items()}


async def _ask_each(redis: Redis, keys: Sequence[bytes], command: Callable[[bytes], str]) -> dict[bytes, Any]:
    async with redis.pipeline(transaction=False) as pipeline:
        for key in keys:
            pipeline.execute_command(command(key), key)
        return dict(zip(keys, await pipeline.execute(), strict=True))


def _stored_form(value: Any) -> bytes:  # noqa: ANN401 - a reply
    if isinstance(value, bytes):
        return value[: CACHED_COUNT.start] + value[CACHED_COUNT.stop :]
    return b" ".join(sorted(value))
