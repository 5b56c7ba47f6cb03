"""The people: who of those in the log is counted, and under which name."""

from collections.abc import Collection, Iterable
from typing import Final

from projector import keys
from projector.activity_filter import COUNT_ALL, ActivityFilter
from projector.pseudonyms import Pseudonyms
from projector.redis import Redis
from projector.redis.errors import translate_errors

REVISION: Final = "forgotten"
"""The field of the deployment that counts how often somebody was to be forgotten."""


class CountedUsers:
    """Leaves out who is to be forgotten; `forgotten` are their pseudonyms as `workspace_id:pseudonym`.

    `revision` tells one list of them from another. `audience` is whose events count at all.
    """

    def __init__(
        self,
        pseudonyms: Pseudonyms,
        forgotten: Collection[str] = (),
        *,
        revision: int = 0,
        activity_filter: ActivityFilter = COUNT_ALL,
    ) -> None:
        self.revision = revision
        self.workspaces = frozenset(each.partition(":")[0] for each in forgotten)
        self._activity_filter = activity_filter
        self._pseudonyms = pseudonyms
        self._forgotten = frozenset(forgotten)

    @property
    def forgotten(self) -> int:
        """The number of people who are left out."""
        return len(self._forgotten)

    @property
    def activity_filter(self) -> ActivityFilter:
        return self._activity_filter

    def of(self, workspace_id: str, user_ids: Iterable[str]) -> list[str]:
        """Return the pseudonyms of those of a workspace's users who are counted."""
        users = self._pseudonyms.of(workspace_id, user_ids)
        if workspace_id not in self.workspaces:
            return users
        return [user for user in users if f"{workspace_id}:{user}" not in self._forgotten]

    def without(self, forgotten: Collection[str], *, revision: int) -> "CountedUsers":
        """Return the same people, but for other ones who are to be forgotten."""
        return CountedUsers(
            self._pseudonyms, forgotten, revision=revision, activity_filter=self._activity_filter
        )


async def read_counted_users(redis: Redis, counted_users: CountedUsers) -> CountedUsers:
    """Return the people without those who are to be forgotten by now; raises `UnavailableError`."""
    with translate_errors():
        async with redis.pipeline(transaction=True) as pipeline:
            pipeline.smembers(keys.ONLY.forgotten)
            pipeline.hget(keys.ONLY.deployment, REVISION)
            forgotten, revision = await pipeline.execute()
    return counted_users.without([each.decode() for each in forgotten], revision=int(revision or 0))


async def record_forgotten(redis: Redis, pseudonym: str, *, workspace_id: str) -> bool:
    """Record that a user is not to be counted; workers go by it from then on. Tells whether that is new."""
    with translate_errors():
        async with redis.pipeline(transaction=True) as pipeline:
            pipeline.sadd(keys.ONLY.forgotten, f"{workspace_id}:{pseudonym}")
            # Also where it is known already: whatever came in between is then counted by the list as it is.
            pipeline.hincrby(keys.ONLY.deployment, REVISION, 1)
            added, _ = await pipeline.execute()
    return bool(added)


async def record_remembered(redis: Redis, pseudonym: str, *, workspace_id: str) -> bool:
    """Record that a user is counted again, from the next event on. Returns whether the user was forgotten."""
    with translate_errors():
        async with redis.pipeline(transaction=True) as pipeline:
            pipeline.srem(keys.ONLY.forgotten, f"{workspace_id}:{pseudonym}")
            pipeline.hincrby(keys.ONLY.deployment, REVISION, 1)
            removed, _ = await pipeline.execute()
    return bool(removed)
