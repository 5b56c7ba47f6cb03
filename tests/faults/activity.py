"""What a load is made of: seeded records of several workspaces and days, good and bad."""

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from datetime import time as time_of_day
from typing import Final

from headcount.wiring import utc_now

SMALL_USERS: Final = tuple(f"user-{number}" for number in range(10))
"""So few, and of such names, that a HyperLogLog counts any of them exactly."""
WINDOW_DAYS: Final = 8
LATE_DAYS: Final = (9, 20, 30)
EXPIRED_DAYS: Final = 500
HOURS: Final = (0, 9, 13, 23)
REPEATED_SHARE: Final = 0.4
ODD_SHARE: Final = 0.1

Counter = tuple[str, date]
"""A workspace and a day: what one number of an answer counts."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A record to publish; `sighting` is what it adds to which counter, None for nothing."""

    value: bytes | None
    sighting: tuple[Counter, str] | None = None
    is_poison: bool = False


def event(workspace: str, user: str | None, occurred_at: datetime) -> Draft:
    """Draft a good event."""
    text = {
        "workspace_id": workspace,
        "user_id": user,
        "occurred_at": occurred_at.isoformat(),
        "type": "message",
    }
    sighting = None if user is None else ((workspace, occurred_at.date()), user)
    return Draft(json.dumps(text).encode(), sighting)


def poison(value: bytes | None) -> Draft:
    """Draft a record that is no event."""
    return Draft(value, is_poison=True)


class Activity:
    """An endless seeded sequence of drafts: new users and known ones, late, old and anonymous events, poison.

    `small` workspaces have ten users a day at most; the one named `big` gets new ones all the time.
    """

    def __init__(self, small: Sequence[str], big: str, *, seed: int, poison_share: float) -> None:
        self._small = small
        self._big = big
        self._random = random.Random(seed)
        self._poison_share = poison_share
        self._new = self._sightings()
        self._past: list[Draft] = []

    def next(self) -> Draft:
        """Draft the next record."""
        if self._random.random() < self._poison_share:
            return poison(self._random.choice(_POISON)(self._random))
        if self._random.random() < ODD_SHARE:
            return self._odd()
        if self._past and self._random.random() < REPEATED_SHARE:
            return self._random.choice(self._past)
        workspace, age, user = next(self._new)
        draft = event(workspace, user, self._instant(age))
        self._past.append(draft)
        return draft

    def _odd(self) -> Draft:
        """Draft an event that is in no answer: anonymous, of a day before the window, or too old to keep."""
        user, age = self._random.choice(
            [(None, 0), ("user-0", self._random.choice(LATE_DAYS)), ("user-0", None)]
        )
        if age is None:
            return Draft(event(self._small[0], user, self._instant(EXPIRED_DAYS)).value)
        return event(self._random.choice(self._small), user, self._instant(age))

    def _instant(self, age: int) -> datetime:
        """Choose one of few buckets of a day, or now: the events of today must not lie ahead."""
        now = utc_now()
        if age == 0:
            return now
        start = time_of_day(self._random.choice(HOURS), tzinfo=UTC)
        seconds = self._random.randrange(900)
        return datetime.combine(now.date() - timedelta(days=age), start) + timedelta(seconds=seconds)

    def _sightings(self) -> Iterator[tuple[str, int, str]]:
        """Give each user of a day of a small workspace once, shuffled, between new ones of the big one."""
        every = [
            (workspace, age, user)
            for workspace in self._small
            for age in range(WINDOW_DAYS)
            for user in SMALL_USERS
        ]
        self._random.shuffle(every)
        number = 0
        while True:
            if every:
                yield every.pop()
            number += 1
            yield self._big, self._random.randrange(WINDOW_DAYS), f"visitor-{number}"


def _truncated(chance: random.Random) -> bytes:
    return b'{"workspace_id": "w", "user_id": "u' + b"x" * chance.randrange(20)


def _without_workspace(chance: random.Random) -> bytes:
    return json.dumps({"user_id": f"u{chance.random()}", "type": "login"}).encode()


def _in_the_future(chance: random.Random) -> bytes | None:
    return event("w", f"u{chance.random()}", utc_now() + timedelta(days=3)).value


def _noise(chance: random.Random) -> bytes:
    return chance.randbytes(60)


def _nothing(_chance: random.Random) -> None:
    return None


_POISON: Final = (_truncated, _without_workspace, _in_the_future, _noise, _nothing)
