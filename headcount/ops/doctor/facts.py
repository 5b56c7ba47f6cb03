"""All that the checks judge, as it was at one moment."""

from dataclasses import dataclass
from datetime import datetime

from headcount.ops.doctor.kafka_facts import KafkaFacts
from headcount.ops.doctor.redis_facts import RedisFacts
from headcount.wiring import Config


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """`now` is our clock, read once everything else was."""

    config: Config
    redis: RedisFacts
    kafka: KafkaFacts
    now: datetime
