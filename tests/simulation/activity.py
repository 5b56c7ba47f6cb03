"""What is published: events, most by a user of their own so that none can hide a lost one, and poison."""

import itertools
import json
import random
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from projector import keys
from projector.calendar import BUCKET_SECONDS, Calendar
from tests.simulation.log import Entry
from tests.support.fakes_log import FakeRecord

START: Final = datetime(2026, 3, 4, 12, tzinfo=UTC)
WORKSPACES: Final = ("acme", "globex", "acme", "globex", "acme", "globex", "initech")
DAYS: Final = [(START - timedelta(days=ago)).date() for ago in (0, 1)]
CALENDAR: Final = Calendar(time_zone=ZoneInfo("UTC"), retention_days=400, bucket_retention_days=45)
EXPIRED: Final = timedelta(days=500)
EARLY: Final = timedelta(hours=1)
MAX_EVENT_BYTES: Final = 300
POISON: Final[Sequence[bytes | None]] = (
    b"{",
    b"[]",
    None,
    b"x" * (MAX_EVENT_BYTES + 1),
    b'{"user_id": "u"}',
    b'{"workspace_id": 1, "user_id": "u", "type": "m", "occurred_at": "2026-03-04T00:00:00Z"}',
    b'{"workspace_id": "a:b", "user_id": "u", "type": "m", "occurred_at": "2026-03-04T00:00:00Z"}',
)


class Activity:
    """Makes entries of a log, as chance has it. `now` is in seconds since the start."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._user_numbers = itertools.count()
        self._past: list[Entry] = []
        self._makers: tuple[list[Callable[[float], Entry]], list[int]] = (
            [
                self._event,
                self._again,
                self._anonymous,
                self._expired,
                self._marker,
                self._early,
                self._poison,
            ],
            [75, 5, 4, 4, 4, 2, 6],
        )

    def some(self, now: float, *, in_transaction: bool = False) -> list[Entry]:
        """Return a few entries that follow each other; a hole is never the last of a log."""
        entries = [self._one(now) for _ in range(self._chance.choice([1, 1, 1, 2, 3, 8]))]
        if self._chance.random() < 0.1:
            entries[:0] = [Entry() for _ in range(self._chance.randrange(1, 4))]
        if in_transaction:
            for entry in entries:
                entry.in_transaction, entry.published_at = True, None
        return entries

    def _one(self, now: float) -> Entry:
        make = self._chance.choices(*self._makers)[0]
        return make(now)

    def _event(self, now: float) -> Entry:
        day = self._chance.choice(DAYS)
        ago = START - datetime(day.year, day.month, day.day, 11, tzinfo=UTC)
        ago -= timedelta(minutes=self._chance.randrange(60))
        entry = self._entry(now, user_id=f"user-{next(self._user_numbers)}", ago=ago)
        self._past.append(entry)
        return entry

    def _again(self, now: float) -> Entry:
        """Return an earlier event a second time, as producers that try again publish it."""
        if not self._past:
            return self._event(now)
        first = self._chance.choice(self._past)
        value = None if first.record is None else first.record.value
        return Entry(
            record=_record(value, now),
            is_poison=value is None,  # its transaction was aborted
            published_at=now,
            user_id=first.user_id,
            counters=first.counters,
        )

    def _anonymous(self, now: float) -> Entry:
        return self._entry(now, user_id=None)

    def _expired(self, now: float) -> Entry:
        return self._entry(now, ago=EXPIRED)

    def _marker(self, now: float) -> Entry:
        """Return an offset that is taken, and holds no record."""
        return Entry(published_at=now)

    def _early(self, now: float) -> Entry:
        return self._entry(now, ago=-EARLY, is_poison=True)

    def _poison(self, now: float) -> Entry:
        return Entry(record=_record(self._chance.choice(POISON), now), published_at=now, is_poison=True)

    def _entry(
        self,
        now: float,
        *,
        user_id: str | None = "uncounted",
        ago: timedelta = timedelta(0),
        is_poison: bool = False,
    ) -> Entry:
        workspace_id = self._chance.choice(WORKSPACES)
        occurred_at = START + timedelta(seconds=now) - ago
        document = {
            "workspace_id": workspace_id,
            "user_id": user_id,
            "type": "message",
            "occurred_at": occurred_at.isoformat(),
        }
        is_counted = user_id not in {None, "uncounted"}
        return Entry(
            record=_record(json.dumps(document).encode(), now),
            published_at=now,
            user_id=(user_id or "").encode(),
            counters=_counters(workspace_id, occurred_at) if is_counted else (),
            is_poison=is_poison,
        )


def _counters(workspace_id: str, occurred_at: datetime) -> Sequence[bytes]:
    """Name the counters that an event belongs to; computed again here, since the fold is under test."""
    bucket = int(occurred_at.timestamp()) // BUCKET_SECONDS
    names = keys.FIRST.day(workspace_id, occurred_at.date()), keys.FIRST.bucket(workspace_id, bucket)
    return [name.encode() for name in names]


def _record(value: bytes | None, now: float) -> FakeRecord:
    stamp = int((START + timedelta(seconds=now)).timestamp() * 1000)
    return FakeRecord(value=value, timestamp=stamp)
