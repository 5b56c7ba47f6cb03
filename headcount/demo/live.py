"""The live replay: the sample week, published as the clock reaches it, from where the last run left off."""

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
"""How far back a run reaches: a week that ends today."""


class Bookmark:
    """How far the week was published to a topic, kept in a file over restarts."""

    def __init__(self, path: Path, topic: str) -> None:
        self._path = path
        self._topic = topic

    def read(self) -> datetime | None:
        """Return the instant up to which everything is published; None if that is not known."""
        noted = read_private(self._path)
        if noted.get("topic") != self._topic:
            return None
        return datetime.fromisoformat(noted["published_until"])

    def write(self, until: datetime) -> None:
        """Note the instant."""
        write_private(self._path, {"topic": self._topic, "published_until": until.isoformat()})


def starting_point(published_until: datetime | None, now: datetime) -> datetime:
    """Say from where on to publish: what was published is left out, and so is what is older than the week."""
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
        """Publish what has occurred and is not published yet; return how many events that were."""
        now = self._clock()
        due = list(self._week.between(self._until, now))
        for activity in due:
            await self._sink.publish(encode(activity, "message"))
        await self._sink.flush()
        if due:
            # After the acknowledgement: a crash in between publishes some twice, which no counter sees.
            self._bookmark.write(now)
        self._until = max(self._until, now)
        return len(due)

    async def follow(self, stopping: asyncio.Event) -> None:
        """Go on with the clock until the stop is asked for."""
        while not stopping.is_set():
            await self.catch_up()
            await wait(stopping, TICK_SECONDS)
