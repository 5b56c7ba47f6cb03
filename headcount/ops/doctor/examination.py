"""The examination: all facts are gathered once, then every check judges some of them."""

import asyncio
from collections.abc import Sequence
from typing import Final

from headcount.ops.doctor.ask_kafka import ask_kafka
from headcount.ops.doctor.ask_redis import ask_redis
from headcount.ops.doctor.facts import Facts
from headcount.ops.doctor.finding import Finding
from headcount.ops.doctor.inquiry import Inquiry
from headcount.ops.doctor.kafka_findings import kafka_findings
from headcount.ops.doctor.own_findings import counting_findings, exposure_findings
from headcount.ops.doctor.redis_findings import redis_findings
from headcount.wiring import Config, utc_now

SECONDS: Final = 7.0
"""How long servers may take to answer all questions: with the start of the command, it ends within 10 s."""


async def examine(config: Config) -> Sequence[Finding]:
    """Return what every check found; servers that do not answer leave their checks unknown."""
    return judge(await gather(config, SECONDS))


async def gather(config: Config, seconds: float) -> Facts:
    """Ask Redis and Kafka at the same time: one that hangs leaves the other all its time."""
    inquiry = Inquiry(seconds)
    redis, kafka = await asyncio.gather(ask_redis(config, inquiry), ask_kafka(config, inquiry))
    # The clock last: what was read before is then not from its future, unless the clocks differ.
    return Facts(config=config, redis=redis, kafka=kafka, now=utc_now())


def judge(facts: Facts) -> Sequence[Finding]:
    """Run all checks, in the order in which they are shown."""
    return [
        *redis_findings(facts),
        *kafka_findings(facts),
        *counting_findings(facts),
        *exposure_findings(facts),
    ]
