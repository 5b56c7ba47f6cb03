"""Every Redis key there is. No other module builds one."""

from datetime import date
from typing import Final

SCHEMA_VERSION: Final = 1

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
"""List: the newest gaps found in the log, as JSON."""

TOKENS: Final = f"{_PREFIX}:tokens"
"""Hash: SHA-256 of a token, in hex, to what the token grants, as JSON."""


def day(workspace_id: str, day: date) -> str:
    """Name the HyperLogLog of one calendar day in the deployment's time zone.

    A workspace id has no colon (see `ingest.event`), so no id can forge another key.
    """
    return f"{_PREFIX}:day:{workspace_id}:{day.isoformat()}"


def bucket(workspace_id: str, number: int) -> str:
    """Name the HyperLogLog of one 15-minute bucket of UTC: `number` is the epoch's seconds // 900."""
    return f"{_PREFIX}:bucket:{workspace_id}:{number}"
