"""The named conditions of the pipeline, sorted by what the worker loop does about them."""

from collections.abc import Mapping

from ingest.batch import Offset, Partition


class HeadcountError(Exception):
    """The root of every condition that this project names."""


class UnavailableError(HeadcountError):
    """A server is away, full, loading or read-only: wait, and try the same step again."""


class OutOfRangeError(UnavailableError):
    """The log holds nothing at the positions of some partitions: it begins behind them, or ends before."""

    def __init__(self, positions: Mapping[Partition, Offset]) -> None:
        super().__init__(f"the log does not reach {', '.join(f'{p} at {o}' for p, o in positions.items())}")
        self.positions = positions


class SupersededError(HeadcountError):
    """Another projection of the log went live, or others are counted: positions are to be sought anew."""


class UnreadableError(HeadcountError):
    """Records of some partition are damaged, too large once decompressed, or compressed in an unknown way."""


class PartitionStoppedError(HeadcountError):
    """A partition can't go on without an operator: its checkpoint stays, the others go on."""

    def __init__(self, partition: Partition, message: str) -> None:
        super().__init__(message)
        self.partition = partition


class OperatorError(HeadcountError):
    """The start is refused until an operator changes something; the message says what."""
