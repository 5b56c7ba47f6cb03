"""Checks of the clocks of Redis, Kafka and the workers."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from headcount.ops.doctor.finding import Judgement, ok, problem, unknown, warning


@dataclass(frozen=True, slots=True)
class Clock:
    """How many seconds a clock is ahead of the doctor's, with an error of up to `uncertainty`."""

    ahead: float
    uncertainty: float


TOLERATED_SECONDS: Final = 1.0
HARMFUL_SECONDS: Final = 60.0
YOUNG_SECONDS: Final = 60.0
SYNCHRONISE: Final = (
    "Synchronize the clocks of all machines with NTP: as-of, expiry and future-dated events depend on them."
)


def check_redis_clock(clock: Clock) -> Judgement:
    """Compare Redis' clock, which TIME returns, with the doctor's."""
    return _judge_skew("Redis' clock", clock)


def check_kafka_clock(facts: tuple[tuple[str, datetime | None], datetime]) -> Judgement:
    """Estimate Kafka's clock from the timestamp of the newest record, since no request returns the time.

    A timestamp ahead of the doctor's clock shows skew; one behind it does not, since it may be old.
    """
    (stamped_by, newest), now = facts
    if stamped_by != "LogAppendTime":
        return unknown(
            "Producers set the timestamps of records: Kafka's clock can't be determined without writing."
        )
    if newest is None:
        return unknown("There is no record yet whose timestamp shows Kafka's clock.")
    ahead = (newest - now).total_seconds()
    if ahead > TOLERATED_SECONDS:
        return _judge_skew("Kafka's clock", Clock(ahead, 0))
    if ahead < -YOUNG_SECONDS:
        return unknown(
            f"The newest record is {-ahead:,.0f} s old: it does not show whether Kafka's clock is behind.",
            "Run the doctor again while events are published.",
        )
    return ok(f"By its newest record, Kafka's clock is not ahead, and at most {max(0, -ahead):.1f} s behind.")


def check_worker_clocks(facts: tuple[datetime | None, datetime]) -> Judgement:
    """Compare the workers' clocks, by the newest as-of that they wrote, with the doctor's."""
    as_of, now = facts
    if as_of is None:
        return unknown("No worker has written an as-of yet.")
    ahead = (as_of - now).total_seconds()
    if ahead > TOLERATED_SECONDS:
        return _judge_skew("A worker's clock", Clock(ahead, 0))
    return ok("No worker's as-of is ahead of this machine's clock.")


def _judge_skew(whose: str, clock: Clock) -> Judgement:
    skew = max(0.0, abs(clock.ahead) - clock.uncertainty)
    found = (
        f"{whose} is {abs(clock.ahead):,.1f} s {'ahead of' if clock.ahead > 0 else 'behind'} this machine's."
    )
    if skew > HARMFUL_SECONDS:
        return problem(found, SYNCHRONISE)
    if skew > TOLERATED_SECONDS:
        return warning(found, SYNCHRONISE)
    return ok(f"{whose} is within {TOLERATED_SECONDS:g} s of this machine's.")
