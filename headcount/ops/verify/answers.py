"""Reads the answers together with the checkpoints that they follow from, so that a recount can end there."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Final

from ingest.errors import UnavailableError
from projector.checkpoints import Progress
from projector.views.daily import CatchingUpError, DailyCounts, View, ViewUnavailableError

STABLE_SECONDS: Final = 30.0
"""How long to retry until no checkpoint moves during a read, as happens between two batches."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The number of users answered for a day; `standard_error` is relative, 0 for an exact counter."""

    users: int
    standard_error: float


@dataclass(frozen=True, slots=True)
class Answers:
    """The answers of the days, which follow from the events up to the checkpoints of `progress`."""

    days: Mapping[date, Answer]
    as_of: datetime
    progress: Progress


async def read_answers(
    view: View, read_progress: Callable[[], Awaitable[Progress]], workspace_id: str, days: Sequence[date]
) -> Answers:
    """Read the answers of at least one day; raises `UnavailableError`, also while they are catching up."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + STABLE_SECONDS
    while loop.time() < deadline:
        before = await read_progress()
        # One day at a time: for several, the view returns the precision of the worst.
        counts = {day: await _counts(view, workspace_id, day) for day in days}
        # No checkpoint moved, so that no event was counted between the answers.
        if _counted(await read_progress()) == _counted(before):
            as_of = min(each.as_of for each in counts.values())
            return Answers({day: _answer(each) for day, each in counts.items()}, as_of, before)
    raise UnavailableError(
        f"The answers can't be read: checkpoints moved all the time for {STABLE_SECONDS:.0f} seconds. "
        "Verify fewer days, or try again when there is less traffic."
    )


def _counted(progress: Progress) -> Progress:
    return replace(progress, as_of={})


def _answer(counts: DailyCounts) -> Answer:
    return Answer(counts.users[0], counts.standard_error)


async def _counts(view: View, workspace_id: str, day: date) -> DailyCounts:
    try:
        return await view.daily_counts(workspace_id, [day])
    except CatchingUpError as error:
        raise UnavailableError(
            "The projection is catching up with the log, and the API answers 503: try again once headcount "
            "status shows that it has caught up."
        ) from error
    except ViewUnavailableError as error:
        raise UnavailableError(f"The answers can't be read: {error}.") from error
