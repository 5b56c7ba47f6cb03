"""What became of the connections: how many are open, and how many were ended or refused, and why."""

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum


class Cause(StrEnum):
    """Why a connection was refused or ended before its client was done with it."""

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
    """The counts of one process, for whoever shows them; `refused` has no entry for what never happened."""

    open: int = 0
    refused: Counter[Cause] = field(default_factory=Counter)
