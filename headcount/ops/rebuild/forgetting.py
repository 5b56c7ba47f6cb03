"""Forgetting: a person is not to be counted any more, and is taken out of what was counted."""

from dataclasses import dataclass

from headcount.clients import worker_redis
from headcount.wiring import Config, deployment, pseudonyms
from projector.counted_users import record_forgotten
from projector.rebuild.erasure import erase
from projector.rebuild.rebuild_lock import rebuild_lock
from projector.redis.errors import errors_named


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgotten:
    """What was done at once: from how many exact counters the user was removed.

    `estimates` are the counters of the workspace that don't tell who is in them: the log has to be counted
    anew. `known` tells that the user was to be forgotten already.
    """

    workspace_id: str
    known: bool
    removed: int
    estimates: int


async def forget(config: Config, workspace_id: str, user_id: str) -> Forgotten:
    """Record the user's pseudonym, and remove it from the exact counters.

    Raises `OperatorError` where Redis counts under another key or a rebuild is under way;
    `UnavailableError`.
    """
    (pseudonym,) = pseudonyms(config).of(workspace_id, [user_id])
    # As the rebuilder: what another counts meanwhile would hold the user still.
    async with worker_redis(config) as redis, rebuild_lock(redis):
        with errors_named():
            await deployment(config).check(redis)
        # Before the removal: from here on no worker adds the user again.
        added = await record_forgotten(redis, pseudonym, workspace_id=workspace_id)
        erasure = await erase(redis, pseudonym, workspace_id=workspace_id)
    return Forgotten(
        workspace_id=workspace_id, known=not added, removed=erasure.removed, estimates=erasure.estimates
    )
