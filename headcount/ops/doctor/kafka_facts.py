"""What the doctor knows of Kafka: its version, the two topics, and who reads them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from headcount.ops.doctor.finding import Unknown
from ingest.batch import Partition
from ingest.ports import Extent


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionFacts:
    """How many brokers are to hold a partition, and how many do at the moment."""

    number: int
    has_leader: bool
    replicas: int
    in_sync: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """A topic and its configuration, whose values are as Kafka writes them."""

    name: str
    options: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Letters:
    """How many dead letters there are, None where there were too many to be read, and how many not redriven.

    `records` are those in their topic: never fewer than the letters.
    """

    records: int
    waiting: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaFacts:
    """`reached` tells whether Kafka answers at all; `newest` when its newest record of the topic came in.

    `metadata_version` is the newest of the request that a worker's start needs. `missing` names topics;
    `partitions` are those of the events' topic. What it is configured to be takes a right of its own to read.
    """

    reached: Unknown | None
    metadata_version: int | Unknown
    brokers: int | Unknown
    missing: Sequence[str] | Unknown
    partitions: Sequence[PartitionFacts] | Unknown
    topic: Topic | Unknown
    letters_topic: Topic | Unknown
    erasures_topic: Topic | Unknown
    workers: int | Unknown
    extents: Mapping[Partition, Extent] | Unknown
    newest: datetime | Unknown | None
    letters: Letters | Unknown

    @classmethod
    def out_of_reach(cls, reason: Unknown) -> "KafkaFacts":
        """Know only why there is no answer."""
        silent = Unknown("Kafka can't be asked.")
        return cls(
            reached=reason,
            metadata_version=silent,
            brokers=silent,
            missing=silent,
            partitions=silent,
            topic=silent,
            letters_topic=silent,
            erasures_topic=silent,
            workers=silent,
            extents=silent,
            newest=silent,
            letters=silent,
        )
