"""The erasure: removes forgotten users from every exact counter."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from projector import keys
from projector.redis import Redis
from projector.redis.errors import translate_errors
from projector.redis.scan import scan_keys
from projector.scripts.erasures import MAX_USERS, EraseScript, Erasure, FindScript


async def erase(redis: Redis, pseudonym: str, *, workspace_id: str) -> Erasure:
    """Remove a user from the counters of all projections; raises `UnavailableError`."""
    return await _run(redis, EraseScript(redis), pseudonym, workspace_id)


async def find(redis: Redis, pseudonym: str, *, workspace_id: str) -> Erasure:
    """Return what `erase` would do; raises `UnavailableError`."""
    return await _run(redis, FindScript(redis), pseudonym, workspace_id)


async def erase_all(redis: Redis, people: Iterable[str]) -> Erasure:
    """Remove users, named `workspace_id:pseudonym`, from the counters of all generations.

    Raises `UnavailableError`.
    """
    users: defaultdict[str, list[str]] = defaultdict(list)
    for person in people:
        workspace_id, _, pseudonym = person.partition(":")
        users[workspace_id].append(pseudonym)
    script = EraseScript(redis)
    removed = estimates = 0
    if not users:
        return Erasure(removed, estimates)
    async for page in scan_keys(redis, keys.ONLY.every_live):
        for workspace_id, counters in _by_workspace(page).items():
            found = Erasure(0, 0)
            for start in range(0, len(users.get(workspace_id, ())), MAX_USERS):
                with translate_errors():
                    found = await script(counters, users[workspace_id][start : start + MAX_USERS])
                removed += found.removed
            estimates += found.estimates
    return Erasure(removed, estimates)


async def _run(redis: Redis, script: EraseScript | FindScript, pseudonym: str, workspace_id: str) -> Erasure:
    removed = estimates = 0
    async for page in scan_keys(redis, keys.ONLY.every_counter_of(workspace_id)):
        with translate_errors():
            found = await script(page, [pseudonym])
        removed += found.removed
        estimates += found.estimates
    return Erasure(removed, estimates)


def _by_workspace(page: Sequence[str]) -> dict[str, list[str]]:
    found: defaultdict[str, list[str]] = defaultdict(list)
    for key in page:
        if (workspace_id := keys.ONLY.workspace_of(key)) is not None:
            found[workspace_id].append(key)
    return found
