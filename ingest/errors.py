"""The errors of the project, one class for each reaction of the worker loop."""

from collections.abc import Mapping

from ingest.batch import Offset, Partition


class HeadcountError(Exception):
    """The base class of all errors of this project."""


class UnavailableError(HeadcountError):
    """A server is unreachable, full, loading or read-only; the same step may succeed later."""


class OutOfRangeError(UnavailableError):
    """The log has no records at the positions of some partitions: before its beginning or past its end."""

    def __init__(self, positions: Mapping[Partition, Offset]) -> None:
        super().__init__(f"the log does not reach {', '.join(f'{p} at {o}' for p, o in positions.items())}")
        self.positions = positions


class SupersededError(HeadcountError):
    """Another generation is live, or the fence changed; positions must be read from Redis again."""


class UnreadableError(HeadcountError):
    """Records of a partition are damaged, too large once decompressed, or compressed by an unknown codec."""


class PartitionStoppedError(HeadcountError):
    """A partition needs an operator to continue: its checkpoint stays, other partitions continue."""

    def __init__(self, partition: Partition, message: str) -> None:
        super().__init__(message)
        self.partition = partition


class OperatorError(HeadcountError):
    """An operator must change something before the process can run; the message says what."""
