"""The counted users: which users of the log are counted, and under which pseudonym."""

from collections.abc import Collection, Iterable
from typing import Final

from projector import keys
from projector.activity_filter import COUNT_ALL, ActivityFilter
from projector.pseudonyms import Pseudonyms
from projector.redis import Redis
from projector.redis.errors import translate_errors

REVISION: Final = "forgotten"
"""The field of the deployment with the revision of the list of forgotten users."""


class CountedUsers:
    """Maps users to pseudonyms, without the forgotten ones, which are named `workspace_id:pseudonym`.

    `revision` identifies the list of forgotten users.
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
        """The number of forgotten users."""
        return len(self._forgotten)

    @property
    def activity_filter(self) -> ActivityFilter:
        return self._activity_filter

    def of(self, workspace_id: str, user_ids: Iterable[str]) -> list[str]:
        """Return the pseudonyms of a workspace's users without the forgotten ones."""
        users = self._pseudonyms.of(workspace_id, user_ids)
        if workspace_id not in self.workspaces:
            return users
        return [user for user in users if f"{workspace_id}:{user}" not in self._forgotten]

    def without(self, forgotten: Collection[str], *, revision: int) -> "CountedUsers":
        """Return the same mapping with another list of forgotten users."""
        return CountedUsers(
            self._pseudonyms, forgotten, revision=revision, activity_filter=self._activity_filter
        )


async def read_counted_users(redis: Redis, counted_users: CountedUsers) -> CountedUsers:
    """Return the mapping with the current list of forgotten users; raises `UnavailableError`."""
    with translate_errors():
        async with redis.pipeline(transaction=True) as pipeline:
            pipeline.smembers(keys.ONLY.forgotten)
            pipeline.hget(keys.ONLY.deployment, REVISION)
            forgotten, revision = await pipeline.execute()
    return counted_users.without([each.decode() for each in forgotten], revision=int(revision or 0))


async def record_forgotten(redis: Redis, pseudonym: str, *, workspace_id: str) -> bool:
    """Add a user to the list of forgotten users; return whether the user was not on it before."""
    with translate_errors():
        async with redis.pipeline(transaction=True) as pipeline:
            pipeline.sadd(keys.ONLY.forgotten, f"{workspace_id}:{pseudonym}")
            # Also for a user on the list: batches that were prepared before are then rejected as superseded.
            pipeline.hincrby(keys.ONLY.deployment, REVISION, 1)
            added, _ = await pipeline.execute()
    return bool(added)


async def record_remembered(redis: Redis, pseudonym: str, *, workspace_id: str) -> bool:
    """Take a user off the list, who is counted from the next event on; return whether the user was on it."""
    with translate_errors():
        async with redis.pipeline(transaction=True) as pipeline:
            pipeline.srem(keys.ONLY.forgotten, f"{workspace_id}:{pseudonym}")
            pipeline.hincrby(keys.ONLY.deployment, REVISION, 1)
            removed, _ = await pipeline.execute()
    return bool(removed)
