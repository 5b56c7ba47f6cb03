"""Distinct users by day, counted exactly on disk: memory stays the same however many there are."""

import hashlib
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import date
from secrets import token_bytes
from types import TracebackType
from typing import Final, Self

from ingest.errors import UnavailableError

BATCH: Final = 20_000
"""How many users are collected and put in order first: neighbours on disk are quicker to write."""
CACHE_KIBIBYTES: Final = 32_768
DIGEST_BYTES: Final = 16
BYTES_A_USER: Final = 30
"""What a row takes on disk, and the room between rows."""

_SETUP: Final = (
    "PRAGMA temp_store = FILE",
    f"PRAGMA temp.cache_size = -{CACHE_KIBIBYTES}",
    "PRAGMA temp.journal_mode = OFF",  # nothing is ever rolled back
    "CREATE TEMP TABLE active (day INTEGER, user BLOB, PRIMARY KEY (day, user)) WITHOUT ROWID",
    "BEGIN",
)


class DistinctUsers:
    """A temporary SQLite database, which no other process sees, and which ends with this one.

    It holds no ids, but digests of 128 bits under a key that is thrown away: that any two of a billion users
    share one has a probability below 1 in 10^20.
    Every method raises `UnavailableError` where the disk is full.
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
            f"The recount can't write its temporary file: {error}. It takes some {BYTES_A_USER} bytes a user "
            "and day; SQLITE_TMPDIR names a folder with more room."
        ) from error
