"""The recount: the exact number of distinct users of each day, by the worker's rules."""

import hashlib
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from secrets import token_bytes
from types import TracebackType
from typing import Final, Self

from ingest.errors import UnavailableError
from ingest.events.event import Event
from projector.calendar import Calendar
from projector.counted_users import CountedUsers
from projector.fold import fold
from projector.keys import Counter

BATCH: Final = 20_000
"""How many users are collected and sorted before a write: neighbours on disk are faster to write."""
CACHE_KIBIBYTES: Final = 32_768
DIGEST_BYTES: Final = 16
BYTES_A_USER: Final = 30
"""The disk space of a row, including free space in pages."""
_SETUP: Final = (
    "PRAGMA temp_store = FILE",
    f"PRAGMA temp.cache_size = -{CACHE_KIBIBYTES}",
    "PRAGMA temp.journal_mode = OFF",  # nothing is ever rolled back
    "CREATE TEMP TABLE active (day INTEGER, user BLOB, PRIMARY KEY (day, user)) WITHOUT ROWID",
    "BEGIN",
)


class DistinctUsers:
    """A temporary SQLite database that no other process can open and that ends with this process.

    It holds no user ids but 128-bit digests under a key that is discarded: the probability that any two of a
    billion users share one is below 1 in 10^20. Every method raises `UnavailableError` if the disk is full.
    """

    def __init__(self) -> None:
        self._key = token_bytes()
        self._pending: set[tuple[int, bytes]] = set()
        self._database = sqlite3.connect(":memory:", isolation_level=None)

    def __enter__(self) -> Self:
        with _disk_errors_named():
            for statement in _SETUP:
                self._database.execute(statement)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.close()

    def add(self, day: date, user_ids: Iterable[str]) -> None:
        number = day.toordinal()
        self._pending.update((number, self._digest(user_id)) for user_id in user_ids)
        if len(self._pending) >= BATCH:
            self._write()

    def counts(self) -> dict[date, int]:
        """Return the number of distinct users of each day that has any."""
        self._write()
        with _disk_errors_named():
            rows = self._database.execute("SELECT day, count(*) FROM active GROUP BY day").fetchall()
        return {date.fromordinal(number): users for number, users in rows}

    def _write(self) -> None:
        with _disk_errors_named():
            self._database.executemany("INSERT OR IGNORE INTO active VALUES (?, ?)", sorted(self._pending))
        self._pending.clear()

    def _digest(self, user_id: str) -> bytes:
        return hashlib.blake2b(user_id.encode(), digest_size=DIGEST_BYTES, key=self._key).digest()


@contextmanager
def _disk_errors_named() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise UnavailableError(
            f"The recount can't write its temporary file: {error}. It needs about {BYTES_A_USER} bytes per "
            "user and day; set SQLITE_TMPDIR to a folder with more space."
        ) from error


class Recount:
    """Counts the events of some days of one workspace into `users`, as of `now`, which is aware."""

    def __init__(
        self,
        workspace_id: str,
        days: Sequence[date],
        users: DistinctUsers,
        *,
        calendar: Calendar,
        counted_users: CountedUsers,
        now: datetime,
    ) -> None:
        self._workspace_id = workspace_id
        self._days = {Counter(workspace_id, day): day for day in days}
        self._users = users
        self._calendar = calendar
        self._counted_users = counted_users
        self._now = now

    def add(self, events: Iterable[Event]) -> None:
        own = [event for event in events if event.workspace_id == self._workspace_id]
        for addition in fold(own, self._calendar, self._counted_users.activity_filter, self._now).additions:
            if day := self._days.get(addition.counter):
                self._users.add(day, filter(self._is_counted, addition.user_ids))

    def counts(self) -> dict[date, int]:
        """Return the number of distinct users of each day, 0 for none."""
        return dict.fromkeys(self._days.values(), 0) | self._users.counts()

    def _is_counted(self, user_id: str) -> bool:
        """Return whether the user is not forgotten."""
        return bool(self._counted_users.of(self._workspace_id, [user_id]))
