"""The projector's Lua scripts, written again in Python for the store of the fake Redis.

`test_fakes_contract.py` holds these against the scripts themselves, run by a real server.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Final, TypeAlias

from msgspec import msgpack
from redis.exceptions import ResponseError

from projector import scripts
from tests.simulation.store import Store

Reply: TypeAlias = "int | bytes | list[Reply] | None"
Script: TypeAlias = Callable[[Store, Sequence[bytes], Sequence[bytes]], Reply]

_packed = msgpack.Decoder(list[str | bool | int])


def apply(store: Store, keys: Sequence[bytes], args: Sequence[bytes]) -> Reply:
    checkpoints, as_of, *counters = keys
    partition, start, end, instant, packed, *known = args
    deployment = counters.pop() if known else None
    stored, before = _hget(store, checkpoints, partition), _hget(store, as_of, partition)
    if deployment is not None and (refusal := _refusal(store, deployment, known)):
        return refusal
    if deployment is not None and not _is_known(store, checkpoints, deployment, known):
        return None
    if stored != start:
        return stored
    # Not strictly: the deployment may come after the counters.
    for key, (expires_at, stands, users) in zip(counters, _additions(packed), strict=False):
        _add(store, key, users, expires_at, expiry_stands=stands)
    if deployment is not None:
        _record_expired(store, deployment, *known[4:])
    store.hset(checkpoints, partition, end)
    if instant and (before is None or int(before) < int(instant)):
        store.hset(as_of, partition, instant)
    return end


def _is_known(store: Store, checkpoints: bytes, deployment: bytes, known: Sequence[bytes]) -> bool:
    _, topic_id, partitions, *_ = known
    there = len(store.hashes.get(checkpoints, {}))
    return _hget(store, deployment, b"topic_id") == topic_id and there >= int(partitions)


def _record_expired(store: Store, deployment: bytes, causes: bytes = b"") -> None:
    words = causes.split(b",") if causes else []
    for cause, number in zip(words[::2], words[1::2], strict=True):
        before = int(_hget(store, deployment, b"expired:" + cause) or 0)
        store.hset(deployment, b"expired:" + cause, str(before + int(number)).encode())
        store.hset(deployment, b"expired_at:" + cause, str(int(store.now() * 1000)).encode())


def _refusal(store: Store, deployment: bytes, known: Sequence[bytes]) -> bytes | None:
    generation, _, _, revision, *_ = known
    if not _is_live(store, deployment, generation):
        return b"SUPERSEDED"
    if (_hget(store, deployment, b"forgotten") or b"0") != revision:
        return b"SUPERSEDED"
    held_until = _hget(store, deployment, b"held_until")
    return b"HELD" if held_until and float(held_until) > store.now() * 1000 else None


def _is_live(store: Store, deployment: bytes, generation: bytes) -> bool:
    return (_hget(store, deployment, b"generation") or b"0") == generation


def _hget(store: Store, key: bytes, name: bytes) -> bytes | None:
    with _named(key):
        return store.hget(key, name)


def _additions(packed: bytes) -> Iterator[tuple[int, bool, Sequence[str]]]:
    rest = iter(_packed.decode(packed))
    for expires_at in rest:
        stands, users = next(rest), int(next(rest))
        yield int(expires_at), bool(stands), [str(user) for user in islice(rest, users)]


def _add(store: Store, key: bytes, users: Sequence[str], expires_at: int, *, expiry_stands: bool) -> None:
    is_new = key not in store.counters
    with _named(key):
        store.pfadd(key, tuple(user.encode() for user in users))
    if expires_at > 0 and (is_new or not expiry_stands):
        store.expireat(key, expires_at)
    elif not expiry_stands:
        store.persist(key)


@contextmanager
def _named(key: bytes) -> Iterator[None]:
    """Have what the server refuses tell at which key."""
    try:
        yield
    except ResponseError as error:
        raise type(error)(f"{error} (at {key.decode()})") from error


def restart(store: Store, keys: Sequence[bytes], args: Sequence[bytes]) -> Reply:
    checkpoints, as_of, gaps, deployment = keys
    generation, topic_id, most_gaps, number_of_gaps, *rest = args
    if not _is_live(store, deployment, generation) or store.hget(deployment, b"topic_id") == topic_id:
        return None
    found, places = rest[: int(number_of_gaps)], rest[int(number_of_gaps) :]
    for gap in found:
        store.rpush(gaps, gap)
    store.ltrim_to_newest(gaps, int(most_gaps))
    store.delete(as_of)
    store.delete(checkpoints)
    for partition, beginning in zip(places[::2], places[1::2], strict=True):
        store.hset(checkpoints, partition, beginning)
    store.hset(deployment, b"topic_id", topic_id)
    return None


def rewind(store: Store, keys: Sequence[bytes], args: Sequence[bytes]) -> Reply:
    checkpoints, as_of, gaps, deployment = keys
    partition, expected, to, gap, most_gaps, *known = args
    if known and not (
        _is_live(store, deployment, known[0]) and store.hget(deployment, b"topic_id") == known[1]
    ):
        return None
    if store.hget(checkpoints, partition) != expected:
        return None
    if gap:
        store.rpush(gaps, gap)
        store.ltrim_to_newest(gaps, int(most_gaps))
    store.hdel(as_of, partition)
    store.hset(checkpoints, partition, to)
    return None


def window(store: Store, keys: Sequence[bytes], args: Sequence[bytes]) -> Reply:
    deployment, checkpoints, as_of, *counters = keys
    if not _is_live(store, deployment, args[0]):
        return None
    counts = [store.pfcount(key) for key in counters]
    instants = [instant.decode() for instant in store.hashes.get(as_of, {}).values()]
    return msgpack.encode([len(store.hashes.get(checkpoints, {})), instants, counts, 0])


SCRIPTS: Final[Mapping[str, Script]] = {
    scripts.source(scripts.APPLY): apply,
    scripts.source(scripts.RESTART): restart,
    scripts.source(scripts.REWIND): rewind,
    scripts.source(scripts.WINDOW): window,
}
"""By the text that a client registers."""
