"""Every Redis key there is. No other module builds one."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from typing import Final, NamedTuple

SCHEMA_VERSION: Final = 2

# One shard for now: the hash tag keeps all keys in one slot, so that one script may touch them together.
_PREFIX: Final = f"headcount:{SCHEMA_VERSION}:{{0}}"

DEPLOYMENT: Final = f"{_PREFIX}:deployment"
"""Hash: what the first start recorded and every later start must match.

Beside it the id of the topic counted; the number of the live generation, and how often somebody was to be
forgotten until it was counted; how often until now; and while the log is counted anew, what the next
generation means, and until when, in ms of the epoch, the live counters stand still. How many generations
there were so far, so that no two have the same number. Up to which offset of the erasure log everybody
forgotten is out of the counters."""

GAPS: Final = f"{_PREFIX}:gaps"
"""List: the newest gaps found in the log that no operator has acknowledged, as JSON."""

ACKNOWLEDGED_GAPS: Final = f"{_PREFIX}:gaps-acknowledged"
"""List: the newest gaps that an operator has acknowledged, as JSON."""

FORGOTTEN: Final = f"{_PREFIX}:forgotten"
"""Set: who is not to be counted, as `workspace_id:pseudonym`."""

REBUILD_LOCK: Final = f"{_PREFIX}:rebuilder"
"""String: who counts the log anew at the moment, for a few seconds unless it says so again."""

TOKENS: Final = f"{_PREFIX}:tokens"
"""Hash: SHA-256 of a token, in hex, to what the token grants, as JSON."""

REQUESTS: Final = "headcount:limits"
"""Prefix of the strings that count requests, for two minutes.

They are no part of the projection, and no script touches two of them: each may be in a slot of its own."""


class Counter(NamedTuple):
    """A counter: of a workspace, and of a calendar day in the deployment's time zone or a bucket of UTC.

    A bucket is 15 minutes; its number is the epoch's seconds // 900.
    """

    workspace_id: str
    period: date | int


@dataclass(frozen=True, slots=True)
class Keyspace:
    """The keys of one projection of the log. Several may stand side by side; one of them is live."""

    name: str

    @property
    def checkpoints(self) -> str:
        """Hash: `topic:partition` to the next offset to read."""
        return f"{_PREFIX}:{self.name}:checkpoints"

    @property
    def as_of(self) -> str:
        """Hash: `topic:partition` to the instant, in ms of the epoch, up to which every event is counted.

        A partition that has a checkpoint but no field here is catching up.
        """
        return f"{_PREFIX}:{self.name}:as-of"

    @property
    def union(self) -> str:
        """A key in which a script may unite counters; it is gone when the script ends."""
        return f"{_PREFIX}:{self.name}:union"

    def holds(self, key: str) -> bool:
        """Tell whether a key is of this projection."""
        return key.startswith(f"{_PREFIX}:{self.name}:")

    @property
    def every(self) -> str:
        """The pattern of all keys of the projection."""
        return f"{_PREFIX}:{self.name}:*"

    def day(self, workspace_id: str, day: date) -> str:
        """Name a day's counter. A workspace id has no colon (`ingest.events`): no id can forge a key."""
        return f"{_PREFIX}:{self.name}:day:{workspace_id}:{day.isoformat()}"

    def days(self, workspace_id: str, days: Iterable[date]) -> Sequence[str]:
        """Name the counters of several days, as `day` does."""
        beginning = f"{_PREFIX}:{self.name}:day:{workspace_id}:"
        return [beginning + day.isoformat() for day in days]

    def bucket(self, workspace_id: str, number: int) -> str:
        """Name a bucket's counter."""
        return f"{_PREFIX}:{self.name}:bucket:{workspace_id}:{number}"

    def key(self, counter: Counter) -> str:
        """Name any counter."""
        workspace_id, period = counter
        if isinstance(period, date):
            return self.day(workspace_id, period)
        return self.bucket(workspace_id, period)

    def counter(self, key: str) -> Counter | None:
        """Read the key of a counter; None for any other key."""
        with suppress(ValueError):
            match key.removeprefix(f"{_PREFIX}:{self.name}:").split(":"):
                case ["day", workspace_id, text]:
                    return Counter(workspace_id, date.fromisoformat(text))
                case ["bucket", workspace_id, text]:
                    return Counter(workspace_id, int(text))
        return None


def generation(number: int) -> Keyspace:
    """Return the keys of the n-th projection that was, is or is to be live."""
    return Keyspace(f"live-{number}")


def shadow(name: str) -> Keyspace:
    """Return the keys of a projection that is only held against the live one."""
    return Keyspace(f"scratch-{name}")


FIRST: Final = generation(0)
EVERY_LIVE: Final = f"{_PREFIX}:live-*"
"""The pattern of the keys of all generations."""


def every_counter_of(workspace_id: str) -> str:
    """Return the pattern of a workspace's counters in all projections; no workspace id has a wildcard."""
    return f"{_PREFIX}:*:*:{workspace_id}:*"


def workspace_of(key: str) -> str | None:
    """Return the workspace of a counter of any projection; None for any other key."""
    match key.removeprefix(f"{_PREFIX}:").split(":"):
        case [_, "day" | "bucket", workspace_id, _]:
            return workspace_id
    return None


def requests(token_id: str, minute: int) -> str:
    """Name the count of a token's requests in the n-th minute since 1970."""
    return f"{REQUESTS}:{token_id}:{minute}"
