"""Every Redis key there is. No other module builds one."""

from contextlib import suppress
from datetime import date
from typing import Final, NamedTuple

SCHEMA_VERSION: Final = 2

# One shard for now: the hash tag keeps all keys in one slot, so that one script may touch them together.
_PREFIX: Final = f"headcount:{SCHEMA_VERSION}:{{0}}"

CHECKPOINTS: Final = f"{_PREFIX}:checkpoints"
"""Hash: `topic:partition` to the next offset to read."""

AS_OF: Final = f"{_PREFIX}:as-of"
"""Hash: `topic:partition` to the instant, in ms of the epoch, up to which every event is counted.

A partition that has a checkpoint but no field here is catching up."""

DEPLOYMENT: Final = f"{_PREFIX}:deployment"
"""Hash: what the first start recorded and every later start must match; and the id of the topic counted."""

GAPS: Final = f"{_PREFIX}:gaps"
"""List: the newest gaps found in the log that no operator has acknowledged, as JSON."""

ACKNOWLEDGED_GAPS: Final = f"{_PREFIX}:gaps-acknowledged"
"""List: the newest gaps that an operator has acknowledged, as JSON."""

TOKENS: Final = f"{_PREFIX}:tokens"
"""Hash: SHA-256 of a token, in hex, to what the token grants, as JSON."""

REQUESTS: Final = "headcount:limits"
"""Prefix of the strings that count requests, for two minutes.

They are no part of the projection, and no script touches two of them: each may be in a slot of its own."""


def day(workspace_id: str, day: date) -> str:
    """Name the counter of one calendar day in the deployment's time zone.

    A workspace id has no colon (see `ingest.event`), so no id can forge another key.
    """
    return f"{_PREFIX}:day:{workspace_id}:{day.isoformat()}"


def bucket(workspace_id: str, number: int) -> str:
    """Name the counter of one 15-minute bucket of UTC: `number` is the epoch's seconds // 900."""
    return f"{_PREFIX}:bucket:{workspace_id}:{number}"


class Counter(NamedTuple):
    """What a counter's key names: a workspace, and a calendar day or the number of a bucket."""

    workspace_id: str
    period: date | int


def counter(key: str) -> Counter | None:
    """Read a key that `day` or `bucket` named; None for any other."""
    with suppress(ValueError):
        match key.removeprefix(f"{_PREFIX}:").split(":"):
            case ["day", workspace_id, text]:
                return Counter(workspace_id, date.fromisoformat(text))
            case ["bucket", workspace_id, text]:
                return Counter(workspace_id, int(text))
    return None


def requests(token_id: str, minute: int) -> str:
    """Name the count of a token's requests in the n-th minute since 1970, but for the prefix `REQUESTS`."""
    return f"{token_id}:{minute}"


def scratch(name: str, key: str) -> str:
    """Name the key that stands for `key` in a projection beside the live one."""
    return f"{_PREFIX}:scratch:{name}:{key}"


def unscratched(name: str, key: str) -> str | None:
    """Return the key that a scratch key of that name stands for; None for any other."""
    prefix = scratch(name, "")
    return key.removeprefix(prefix) if key.startswith(prefix) else None


def every(name: str = "") -> str:
    """Return the pattern of all keys, or of those of one scratch."""
    return scratch(name, "*") if name else f"{_PREFIX}:*"
