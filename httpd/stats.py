"""Statistics of connections: how many are open, and how many were refused or ended, by cause."""

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum


class Cause(StrEnum):
    """Why a connection was refused, or was ended by the server."""

    TOO_MANY = "too-many"
    TOO_MANY_FROM_ADDRESS = "too-many-from-address"
    HEAD_TIMEOUT = "head-timeout"
    HEAD_TOO_LARGE = "head-too-large"
    BAD_HEAD = "bad-head"
    VERSION = "version"
    BODY = "body"
    PIPELINING = "pipelining"
    IDLE = "idle"
    SLOW_READER = "slow-reader"


@dataclass(slots=True)
class ConnectionStats:
    """The counts of one process, for its metrics; `refused` has no entry for a cause that never occurred."""

    open: int = 0
    refused: Counter[Cause] = field(default_factory=Counter)
