"""The live replay: publishes the sample week in real time, and continues where the last run stopped."""

import asyncio
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from headcount.demo.home import read_private, write_private
from headcount.ops.replay.recording import encode
from headcount.ops.replay.replay import Clock, Sink, wait
from headcount.ops.replay.week import Week, midnight

TICK_SECONDS: Final = 0.5
DAYS: Final = 7
"""The days that a run covers: a week that ends today."""


class Bookmark:
    """How far the week was published to a topic, kept in a file over restarts."""

    def __init__(self, path: Path, topic: str) -> None:
        self._path = path
        self._topic = topic

    def read(self) -> datetime | None:
        """Return the instant up to which all activity is published; None if it is unknown."""
        noted = read_private(self._path)
        if noted.get("topic") != self._topic:
            return None
        return datetime.fromisoformat(noted["published_until"])

    def write(self, until: datetime) -> None:
        """Store the instant."""
        write_private(self._path, {"topic": self._topic, "published_until": until.isoformat()})


def starting_point(published_until: datetime | None, now: datetime) -> datetime:
    """Return the instant to publish from, without activity that is published or older than the week."""
    oldest = midnight(now.date() - timedelta(days=DAYS - 1))
    return min(now, max(oldest, published_until or oldest))


class LiveReplay:
    """The sample week on its way to the log. `clock` gives the time of day, aware, in UTC."""

    def __init__(self, week: Week, sink: Sink, bookmark: Bookmark, clock: Clock) -> None:
        self._week = week
        self._sink = sink
        self._bookmark = bookmark
        self._clock = clock
        self._until = starting_point(bookmark.read(), clock())

    async def catch_up(self) -> int:
        """Publish past activity that is not published yet; return the number of events."""
        now = self._clock()
        due = list(self._week.between(self._until, now))
        for activity in due:
            await self._sink.publish(encode(activity, "message"))
        await self._sink.flush()
        if due:
            # After the acknowledgement: a crash in between publishes some twice, which changes no counter.
            self._bookmark.write(now)
        self._until = max(self._until, now)
        return len(due)

    async def follow(self, stopping: asyncio.Event) -> None:
        """Publish in real time until a stop is requested."""
        while not stopping.is_set():
            await self.catch_up()
            await wait(stopping, TICK_SECONDS)
