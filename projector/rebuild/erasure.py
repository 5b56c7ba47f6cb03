"""The erasure: people who are to be forgotten are taken out of every counter that tells who is in it."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from projector import keys, scripts
from projector.redis import Redis
from projector.redis.errors import translate_errors
from projector.redis.scan import scan_keys

AT_ONCE: Final = 5_000
"""So many users does a script take."""


class Erasure(NamedTuple):
    """How often a user was removed from an exact counter, and how many counters are estimates."""

    removed: int
    estimates: int


async def erase(redis: Redis, pseudonym: str, *, workspace_id: str) -> Erasure:
    """Go through a workspace's counters, live or not; raises `UnavailableError`."""
    return await _count(redis, scripts.ERASE, pseudonym, workspace_id)


async def find(redis: Redis, pseudonym: str, *, workspace_id: str) -> Erasure:
    """Return what `erase` would do; raises `UnavailableError`."""
    return await _count(redis, scripts.FIND, pseudonym, workspace_id)


async def erase_all(redis: Redis, people: Iterable[str]) -> Erasure:
    """Go through the counters of every generation; people are named `workspace_id:pseudonym`.

    Raises `UnavailableError`.
    """
    users: defaultdict[str, list[str]] = defaultdict(list)
    for person in people:
        workspace_id, _, pseudonym = person.partition(":")
        users[workspace_id].append(pseudonym)
    script = redis.register_script(scripts.source(scripts.ERASE))
    removed = estimates = 0
    if not users:
        return Erasure(removed, estimates)
    async for page in scan_keys(redis, keys.ONLY.every_live):
        for workspace_id, names in _by_workspace(page).items():
            found = (0, 0)
            for start in range(0, len(users.get(workspace_id, ())), AT_ONCE):
                with translate_errors():
                    found = await script(keys=names, args=users[workspace_id][start : start + AT_ONCE])
                removed += found[0]
            estimates += found[1]
    return Erasure(removed, estimates)


async def _count(redis: Redis, name: str, pseudonym: str, workspace_id: str) -> Erasure:
    script = redis.register_script(scripts.source(name))
    users = estimates = 0
    async for page in scan_keys(redis, keys.ONLY.every_counter_of(workspace_id)):
        with translate_errors():
            found = await script(keys=page, args=[pseudonym])
        users += found[0]
        estimates += found[1]
    return Erasure(users, estimates)


def _by_workspace(page: Sequence[str]) -> dict[str, list[str]]:
    found: defaultdict[str, list[str]] = defaultdict(list)
    for key in page:
        if (workspace_id := keys.ONLY.workspace_of(key)) is not None:
            found[workspace_id].append(key)
    return found
