from datetime import date

import orjson
import pytest

from api.endpoints.weekly_data.contract import WINDOW_DAYS
from benchmarks.people import Counts, WorkspaceDay
from benchmarks.polling.answers import Answer, WrongAnswerError, expect
from benchmarks.polling.contestants import Name
from benchmarks.polling.figures import ORDER, Ratio, Turn, medians, targets
from benchmarks.polling.workspaces import MANY, make, weeks, window
from benchmarks.polling.wrk import Load

LAST = date(2026, 3, 4)
COUNTS: Counts = {WorkspaceDay("some", day): 1_000 for day in window(LAST)}


def answer(users: int, *, status: int = 200, days: int = WINDOW_DAYS) -> Answer:
    rows = [
        {"users": users, "day": day.day, "month": day.month, "year": day.year} for day in window(LAST)[:days]
    ]
    body = orjson.dumps({"month": rows, "success": True})
    return Answer(status, {"Content-Type": "application/json"}, body)


def turn(contestant: Name, *, rate: float, p99: float = 1.0) -> Turn:
    load = Load(requests=100, seconds=1.0, requests_per_second=rate, p50=1.0, p99=p99, failures=0)
    return Turn(contestant, load, cpu_seconds=0.5)


def test_counts_every_day_that_is_asked_for() -> None:
    counts = make(LAST)

    asked = {WorkspaceDay(week.workspace_id, day) for week in weeks(LAST) for day in window(week.day)}
    assert asked == counts.keys()
    assert min(counts.values()) > 0


def test_asks_of_every_workspace_before_it_asks_of_one_again() -> None:
    asked = [week.workspace_id for week in weeks(LAST)]

    assert len(set(asked[: len(MANY) + 1])) == len(MANY) + 1


def test_takes_an_estimate_for_right() -> None:
    expect(answer(1_030), COUNTS, WorkspaceDay("some", LAST))


@pytest.mark.parametrize("wrong", [answer(900), answer(1_000, status=503), answer(1_000, days=7)])
def test_takes_no_wrong_answer(wrong: Answer) -> None:
    with pytest.raises(WrongAnswerError):
        expect(wrong, COUNTS, WorkspaceDay("some", LAST))


def test_compares_the_medians_of_all_rounds() -> None:
    rounds = [[turn(name, rate=rate) for name in ORDER] for rate in (100, 10, 1_000)]
    rounds[0][ORDER.index("polling")] = turn("polling", rate=80)
    rounds[2][ORDER.index("polling")] = turn("polling", rate=50)

    paces = medians(rounds)

    assert (paces["bare"].requests_per_second, paces["polling"].requests_per_second) == (100, 50)
    assert paces["bare"].requests_per_cpu_second == 200
    assert paces["polling"] / paces["bare"] == Ratio(per_second=0.5, per_cpu_second=1)


def test_targets_hold_the_polled_answer_to_the_bare_one_and_the_uncached_to_one_round_trip() -> None:
    rates: dict[Name, float] = {"bare": 100, "polling": 80, "one-round-trip": 40, "uncached": 10}
    late: dict[Name, float] = {"polling": 2.5}
    turns = [turn(name, rate=rates.get(name, 1), p99=late.get(name, 1.0)) for name in ORDER]

    found = targets(medians([turns]))

    assert [(each.seen, each.holds) for each in found] == [(0.8, True), (2.5, False), (0.25, False)]


def test_relies_on_the_lower_ratio_where_clock_and_cpu_time_differ() -> None:
    lucky = Ratio(per_second=0.9, per_cpu_second=0.6)
    waiting = Ratio(per_second=0.3, per_cpu_second=0.8)

    assert (lucky.least, waiting.least) == (0.6, 0.3)
