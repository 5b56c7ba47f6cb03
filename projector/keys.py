"""The Redis keys. No other module builds one."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from typing import Final, NamedTuple

from ingest.events import event

SCHEMA_VERSION: Final = 2

REQUESTS: Final = "headcount:limits"
"""Prefix of the strings that count the requests of a minute; each expires after two minutes.

They are not part of the projection, and no script uses two of them: each may be in a slot of its own."""


def is_workspace_id(text: str) -> bool:
    """Return whether a text has the form of a workspace id, without a colon, and may be part of a key."""
    return event.is_workspace_id(text) is not None


class Counter(NamedTuple):
    """A counter of a workspace, for a calendar day in the deployment's time zone or a bucket of UTC.

    A bucket is 15 minutes; its number is seconds of the epoch // 900.
    """

    workspace_id: str
    period: date | int


@dataclass(frozen=True, slots=True)
class Keyspace:
    """The keys of one projection of the log. A shard may contain several; one of them is live."""

    prefix: str

    @property
    def checkpoints(self) -> str:
        """Hash: `topic:partition` to the next offset to read."""
        return f"{self.prefix}:checkpoints"

    @property
    def as_of(self) -> str:
        """Hash: `topic:partition` to the instant, in ms of the epoch, up to which every event is counted.

        A partition that has a checkpoint but no field here is catching up.
        """
        return f"{self.prefix}:as-of"

    @property
    def union(self) -> str:
        """The temporary key in which a script merges counters; it is deleted before the script ends."""
        return f"{self.prefix}:union"

    def holds(self, key: str) -> bool:
        """Return whether a key belongs to this projection."""
        return key.startswith(f"{self.prefix}:")

    @property
    def every(self) -> str:
        """The pattern of all keys of the projection."""
        return f"{self.prefix}:*"

    def day(self, workspace_id: str, day: date) -> str:
        """Return the key of a day's counter.

        A workspace id has no colon (`ingest.events`), so that no id can forge a key.
        """
        return f"{self.prefix}:day:{workspace_id}:{day.isoformat()}"

    def days(self, workspace_id: str, days: Iterable[date]) -> Sequence[str]:
        """Return the keys of several days' counters."""
        beginning = f"{self.prefix}:day:{workspace_id}:"
        return [beginning + day.isoformat() for day in days]

    def bucket(self, workspace_id: str, number: int) -> str:
        """Return the key of a bucket's counter."""
        return f"{self.prefix}:bucket:{workspace_id}:{number}"

    def key(self, counter: Counter) -> str:
        """Return the key of a counter."""
        workspace_id, period = counter
        if isinstance(period, date):
            return self.day(workspace_id, period)
        return self.bucket(workspace_id, period)

    def counter(self, key: str) -> Counter | None:
        """Return the counter of a key; None for any other key."""
        with suppress(ValueError):
            match key.removeprefix(f"{self.prefix}:").split(":"):
                case ["day", workspace_id, text]:
                    return Counter(workspace_id, date.fromisoformat(text))
                case ["bucket", workspace_id, text]:
                    return Counter(workspace_id, int(text))
        return None


@dataclass(frozen=True, slots=True)
class Shard:
    """The keys that share one hash tag, and so one slot: a script may use any of them together."""

    number: int
    deployment: str = field(init=False)
    """Hash: the settings that the first start recorded and every later start must match.

    Further fields: the topic's id; the number of the live generation, and the erasure revision it was counted
    with; the current erasure revision; while a rebuild runs, the configuration of the next generation, and
    until when, in ms of the epoch, writes to the live one are paused; how many generations there were, so
    that no number is used twice; and the position in the erasure log up to which users are removed from the
    counters."""
    gaps: str = field(init=False)
    """List: the newest gaps found in the log that are not acknowledged, as JSON."""
    acknowledged_gaps: str = field(init=False)
    """List: the newest acknowledged gaps, as JSON."""
    forgotten: str = field(init=False)
    """Set: the forgotten users, as `workspace_id:pseudonym`."""
    rebuild_lock: str = field(init=False)
    """String: the token of the running rebuild; it expires unless it is renewed."""
    tokens: str = field(init=False)
    """Hash: SHA-256 of a token, in hex, to the token's user and workspace, as JSON."""

    def __post_init__(self) -> None:
        for name, suffix in _SUFFIXES.items():
            object.__setattr__(self, name, f"{self.prefix}:{suffix}")

    @property
    def prefix(self) -> str:
        """The prefix of every key of the shard, with the hash tag in braces."""
        return f"headcount:{SCHEMA_VERSION}:{{{self.number}}}"

    @property
    def every_live(self) -> str:
        """The pattern of the keys of all generations."""
        return f"{self.prefix}:live-*"

    def generation(self, number: int) -> Keyspace:
        """Return the keys of the generation with a number."""
        return Keyspace(f"{self.prefix}:live-{number}")

    def shadow(self, name: str) -> Keyspace:
        """Return the keys of a projection that is only compared with the live one."""
        return Keyspace(f"{self.prefix}:scratch-{name}")

    def every_counter_of(self, workspace_id: str) -> str:
        """Return the pattern of a workspace's counters in all projections; no id contains a wildcard."""
        return f"{self.prefix}:*:*:{workspace_id}:*"

    def workspace_of(self, key: str) -> str | None:
        """Return the workspace of a counter of any projection; None for any other key."""
        match key.removeprefix(f"{self.prefix}:").split(":"):
            case [_, "day" | "bucket", workspace_id, _]:
                return workspace_id
        return None


_SUFFIXES: Final = {
    "deployment": "deployment",
    "gaps": "gaps",
    "acknowledged_gaps": "gaps-acknowledged",
    "forgotten": "forgotten",
    "rebuild_lock": "rebuilder",
    "tokens": "tokens",
}

ONLY: Final = Shard(0)
"""The one shard of a single Redis."""
FIRST: Final = ONLY.generation(0)
"""The keys of the first generation."""


def requests(token_id: str, minute: int) -> str:
    """Return the key of the count of a token's requests in the n-th minute since 1970."""
    return f"{REQUESTS}:{token_id}:{minute}"
