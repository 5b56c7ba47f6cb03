"""The people: who of those in the log is counted, and under which name."""

import hashlib
from collections.abc import Collection, Iterable
from typing import Any, Protocol

from redis.asyncio import Redis

from projector import keys
from projector.audience import EVERYBODY, Audience
from projector.errors import errors_named
from projector.pseudonyms import Pseudonyms


class Naming(Protocol):
    """Tells whose events count, and gives users their names in the counters; see `People`."""

    @property
    def audience(self) -> Audience: ...

    def of(self, workspace_id: str, user_ids: Iterable[str]) -> set[str]: ...


class People:
    """Leaves out who is to be forgotten; `forgotten` are their pseudonyms as `workspace_id:pseudonym`."""

    def __init__(
        self, pseudonyms: Pseudonyms, forgotten: Collection[str] = (), *, audience: Audience = EVERYBODY
    ) -> None:
        self._audience = audience
        self._pseudonyms = pseudonyms
        self._forgotten = frozenset(forgotten)
        self._workspaces = {each.partition(":")[0] for each in self._forgotten}

    @property
    def audience(self) -> Audience:
        return self._audience

    @property
    def forgotten_digest(self) -> str:
        """Tells one list of forgotten people from another."""
        return hashlib.sha256("\n".join(sorted(self._forgotten)).encode()).hexdigest()

    def of(self, workspace_id: str, user_ids: Iterable[str]) -> set[str]:
        """Return the pseudonyms of those of a workspace's users who are counted."""
        users = self._pseudonyms.of(workspace_id, user_ids)
        if workspace_id not in self._workspaces:
            return users
        return {user for user in users if f"{workspace_id}:{user}" not in self._forgotten}

    def without(self, forgotten: Collection[str]) -> "People":
        """Return the same people, but for other ones who are to be forgotten."""
        return People(self._pseudonyms, forgotten, audience=self._audience)


async def read_people(redis: Redis, people: People) -> People:
    """Return the people without those who are to be forgotten by now; raises `UnavailableError`."""
    with errors_named():
        forgotten: Any = await redis.smembers(keys.FORGOTTEN)
    return people.without([each.decode() for each in forgotten])


async def forget(redis: Redis, pseudonyms: Pseudonyms, *, workspace_id: str, user_id: str) -> bool:
    """Record that a user is not to be counted any more; tell whether that is new."""
    (user,) = pseudonyms.of(workspace_id, [user_id])
    with errors_named():
        return bool(await redis.sadd(keys.FORGOTTEN, f"{workspace_id}:{user}"))
