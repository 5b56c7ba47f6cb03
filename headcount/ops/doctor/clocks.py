"""Checks of the clocks of Redis, Kafka and the workers."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from headcount.ops.doctor.finding import Judgement, ok, problem, unknown, warning


@dataclass(frozen=True, slots=True)
class Clock:
    """How far a clock is ahead of ours, in seconds, give or take `uncertainty`."""

    ahead: float
    uncertainty: float


TOLERATED_SECONDS: Final = 1.0
HARMFUL_SECONDS: Final = 60.0
YOUNG_SECONDS: Final = 60.0
SYNCHRONISE: Final = (
    "Keep all machines' clocks with NTP: as-of, expiries and what counts as the future rest on them."
)


def check_redis_clock(clock: Clock) -> Judgement:
    """Judge Redis' clock, which is asked directly."""
    return _judge_skew("Redis' clock", clock)


def check_kafka_clock(facts: tuple[tuple[str, datetime | None], datetime]) -> Judgement:
    """Judge Kafka's clock by the stamp on its newest record: no harmless question has it told directly.

    A stamp ahead of our clock shows skew. One that is behind shows none: it may just be old.
    """
    (stamped_by, newest), now = facts
    if stamped_by != "LogAppendTime":
        return unknown(
            "Records carry their producers' stamps: nothing tells Kafka's clock without writing to it."
        )
    if newest is None:
        return unknown("There is no record yet whose stamp could tell Kafka's clock.")
    ahead = (newest - now).total_seconds()
    if ahead > TOLERATED_SECONDS:
        return _judge_skew("Kafka's clock", Clock(ahead, 0))
    if ahead < -YOUNG_SECONDS:
        return unknown(
            f"The newest record is {-ahead:,.0f} s old: whether Kafka's clock is behind can't be told from "
            "it.",
            "Run the doctor again while events come in.",
        )
    return ok(f"By its newest record, Kafka's clock is not ahead, and at most {max(0, -ahead):.1f} s behind.")


def check_worker_clocks(facts: tuple[datetime | None, datetime]) -> Judgement:
    """Judge the workers' clocks by the newest as-of: their own time, from before they asked Kafka."""
    as_of, now = facts
    if as_of is None:
        return unknown("No worker has written an as-of yet.")
    ahead = (as_of - now).total_seconds()
    if ahead > TOLERATED_SECONDS:
        return _judge_skew("A worker's clock", Clock(ahead, 0))
    return ok("No worker's as-of is ahead of our clock.")


def _judge_skew(whose: str, clock: Clock) -> Judgement:
    skew = max(0.0, abs(clock.ahead) - clock.uncertainty)
    found = f"{whose} is {abs(clock.ahead):,.1f} s {'ahead of' if clock.ahead > 0 else 'behind'} ours."
    if skew > HARMFUL_SECONDS:
        return problem(found, SYNCHRONISE)
    if skew > TOLERATED_SECONDS:
        return warning(found, SYNCHRONISE)
    return ok(f"{whose} is within {TOLERATED_SECONDS:g} s of ours.")
