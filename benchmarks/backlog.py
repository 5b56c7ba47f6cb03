"""The backlog: made-up events of a few days, in the order of time, the same at each run but for the days."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from string import ascii_letters, digits
from typing import Final

from headcount.ops.replay.recording import Activity, encode

SEED: Final = 2026
WORKSPACES: Final = 100
USERS: Final = 10_000
DAYS: Final = 3
USER_ID_CHARACTERS: Final = 17


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What the backlog is made of. Each user is in one workspace, and active on every day."""

    events: int
    workspaces: int = WORKSPACES
    users: int = USERS
    days: int = DAYS


def make(shape: Shape, now: datetime) -> Iterator[bytes]:
    """Yield the values of the records: of the days before today, so that none is ahead of `now`."""
    return (encode(activity, "message") for activity in activities(shape, now))


def activities(shape: Shape, now: datetime) -> Iterator[Activity]:
    """Yield what the records tell."""
    dice = random.Random(SEED)
    user_ids = [
        "".join(dice.choices(ascii_letters + digits, k=USER_ID_CHARACTERS)) for _ in range(shape.users)
    ]
    today = datetime.combine(now.date(), time.min, now.tzinfo)
    first, span = today - timedelta(days=shape.days), timedelta(days=shape.days)
    for number in range(shape.events):
        user = dice.randrange(shape.users)
        instant = (first + span * (number / shape.events)).replace(microsecond=0)
        yield Activity(instant, f"workspace-{user % shape.workspaces}", user_ids[user])
