"""What a verification reads, counts and reports, without servers."""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headcount.ops.log_check import check_log_holds, lost_until
from headcount.ops.verify import answers as answers_module
from headcount.ops.verify import recount
from headcount.ops.verify.answers import Answer, Answers, read_answers
from headcount.ops.verify.recount import DistinctUsers, Recount
from headcount.ops.verify.report import Day, judge, verdict
from headcount.ops.verify.verification import last_days
from ingest.batch import Offset, Partition
from ingest.errors import UnavailableError
from ingest.events.decoding import FUTURE_TOLERANCE
from ingest.events.event import Event
from ingest.kafka.log_reader import LogReader, Portion
from ingest.ports import Extent, GapCause, Record
from projector.calendar import Calendar
from projector.checkpoints import Progress
from projector.counted_users import CountedUsers
from projector.gaps import GapReport
from projector.pseudonyms import Pseudonyms
from projector.views.daily import ESTIMATE_STANDARD_ERROR, CatchingUpError, ViewUnavailableError
from tests.support.fakes_api import FakeView
from tests.support.fakes_log import FakeRecord
from tests.support.people import KEY, PEOPLE

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)
TODAY = NOW.date()
DAYS = last_days(3, TODAY)
PARTITION = Partition("user-activity", 0)
EXACT, ESTIMATE = 0.0, ESTIMATE_STANDARD_ERROR


def event(user_id: str | None, occurred_at: datetime = NOW, workspace_id: str = "acme") -> Event:
    return Event(workspace_id=workspace_id, occurred_at=occurred_at, type="message", user_id=user_id)


def recounted(
    batches: Iterable[Iterable[Event]],
    *,
    days: Sequence[date] = DAYS,
    zone: str = "UTC",
    retention_days: int = 0,
    counted_users: CountedUsers = PEOPLE,
) -> dict[date, int]:
    calendar = Calendar(time_zone=ZoneInfo(zone), retention_days=retention_days, bucket_retention_days=1)
    with DistinctUsers() as users:
        recount = Recount("acme", days, users, calendar=calendar, counted_users=counted_users, now=NOW)
        for events in batches:
            recount.add(events)
        return recount.counts()


EVENTS = st.lists(
    st.builds(
        event,
        st.sampled_from(["alice", "bob", "carol", None]),
        st.integers(-120, 60).map(lambda hours: NOW + timedelta(hours=hours)),
        st.sampled_from(["acme", "other"]),
    ),
    max_size=30,
)


@given(batches=st.lists(EVENTS, max_size=4))
def test_a_recount_is_the_number_of_distinct_ids_of_each_day(batches: list[list[Event]]) -> None:
    expected = {
        day: len(
            {
                each.user_id
                for events in batches
                for each in events
                if each.user_id and each.workspace_id == "acme" and each.occurred_at.date() == day
            }
        )
        for day in DAYS
    }
    assert recounted(batches) == expected


def test_days_are_those_of_the_deployments_zone() -> None:
    assert recounted([[event("alice", datetime(2026, 3, 3, 16, tzinfo=UTC))]], zone="Asia/Tokyo") == {
        date(2026, 3, 2): 0,
        date(2026, 3, 3): 0,
        date(2026, 3, 4): 1,
    }


def test_what_is_older_than_the_retention_is_not_counted() -> None:
    old, kept = event("alice", NOW - timedelta(days=2)), event("bob", NOW - timedelta(days=1))
    assert list(recounted([[old, kept]], retention_days=1).values()) == [0, 1, 0]


class Collision(Pseudonyms):
    """Hashes all users alike, as for two ids with one hash."""

    def of(self, workspace_id: str, user_ids: Iterable[str]) -> list[str]:
        assert workspace_id
        return ["1" for _ in user_ids]


def test_two_users_with_one_pseudonym_are_two() -> None:
    """The recount must not rest on what it checks."""
    assert recounted([[event("alice"), event("bob")]], counted_users=CountedUsers(Collision(KEY)))[TODAY] == 2


def test_more_users_than_are_collected_are_counted_once_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recount, "BATCH", 7)
    with DistinctUsers() as users:
        for _ in range(2):
            for number in range(100):
                users.add(TODAY, [f"user-{number}", "shared"])
        users.add(DAYS[0], ["user-1"])
        assert users.counts() == {TODAY: 101, DAYS[0]: 1}


def test_a_full_disk_is_reported_with_advice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recount, "_SETUP", (*recount._SETUP, "PRAGMA temp.max_page_count = 20"))
    user_ids = [f"user-{number}" for number in range(recount.BATCH)]
    with DistinctUsers() as users, pytest.raises(UnavailableError, match="set SQLITE_TMPDIR to a folder"):
        users.add(TODAY, user_ids)


def test_an_exact_counter_may_not_be_off_by_any_user() -> None:
    answers = {DAYS[0]: Answer(512, EXACT), DAYS[1]: Answer(511, EXACT), DAYS[2]: Answer(0, EXACT)}
    exact = {DAYS[0]: 512, DAYS[1]: 512, DAYS[2]: 0}
    assert judge(exact, answers, lost_until=None) == [
        day_of(DAYS[0], 512, 512, percent=0.0, bound=0, within=True),
        day_of(DAYS[1], 512, 511, percent=-0.2, bound=0, within=False),
        day_of(DAYS[2], 0, 0, percent=None, bound=0, within=True),
    ]


@pytest.mark.parametrize(
    ("answered", "within"), [(9_756, False), (9_757, True), (10_243, True), (10_244, False)]
)
def test_an_estimate_may_be_off_by_three_standard_errors(*, answered: int, within: bool) -> None:
    (day,) = judge({TODAY: 10_000}, {TODAY: Answer(answered, ESTIMATE)}, lost_until=None)
    assert (day.bound_percent, day.within) == (2.44, within)


def day_of(day: date, exact: int, answered: int, *, percent: float | None, bound: float, within: bool) -> Day:
    return Day(
        day=day,
        exact=exact,
        answered=answered,
        error=answered - exact,
        error_percent=percent,
        bound_percent=bound,
        within=within,
    )


@pytest.mark.parametrize(
    ("lost", "answered", "within"),
    [
        (TODAY - timedelta(days=1), 5, False),
        (TODAY, 5, None),
        (TODAY, 4, True),
        (TODAY, 3, False),
        (None, 5, False),
    ],
)
def test_what_the_log_may_have_lost_excuses_an_answer_above_the_recount_and_no_other(
    *, lost: date | None, answered: int, within: bool | None
) -> None:
    (day,) = judge({TODAY: 4}, {TODAY: Answer(answered, EXACT)}, lost_until=lost)
    assert day.within is within


@pytest.mark.parametrize(
    ("verdicts", "whole"),
    [([True, True], True), ([True, None], None), ([None, False, True], False)],
)
def test_one_day_outside_decides_the_whole(*, verdicts: list[bool | None], whole: bool | None) -> None:
    days = [
        Day(day=TODAY, exact=1, answered=1, error=0, error_percent=0, bound_percent=0, within=each)
        for each in verdicts
    ]
    assert verdict(days) is whole


def progress(checkpoint: int, *, as_of: datetime = NOW) -> Progress:
    return Progress(0, "id", {PARTITION: Offset(checkpoint)}, {PARTITION: as_of}, [])


class Projection:
    """Tells one progress after the other, and the last one again and again."""

    def __init__(self, *told: Progress) -> None:
        self._told = list(told)

    async def progress(self) -> Progress:
        return self._told.pop(0) if len(self._told) > 1 else self._told[0]


async def test_answers_are_those_of_checkpoints_that_did_not_move() -> None:
    """An answer between two batches is of neither: it is asked for again. A beat of as-of is no batch."""
    later = NOW + timedelta(seconds=1)
    projection = Projection(progress(1), progress(2), progress(3), progress(3, as_of=later))
    view = FakeView({("acme", TODAY): 7}, instant=NOW)
    answers = await read_answers(view, projection.progress, "acme", DAYS)
    assert answers.progress == progress(3)
    assert [answer.users for answer in answers.days.values()] == [0, 0, 7]
    assert len(view.queries) == 2 * len(DAYS)


async def test_counting_without_a_pause_ends_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers_module, "STABLE_SECONDS", 0.05)
    projection = Projection(*map(progress, range(1_000_000)))
    with pytest.raises(UnavailableError, match="checkpoints moved all the time"):
        await read_answers(FakeView(), projection.progress, "acme", DAYS)


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (CatchingUpError("no"), "The projection is catching up with the log"),
        (ViewUnavailableError("Redis can't answer: x"), "The answers can't be read: Redis can't answer: x."),
    ],
)
async def test_no_answer_is_told(error: Exception, sentence: str) -> None:
    with pytest.raises(UnavailableError, match=sentence):
        await read_answers(FakeView(error=error), Projection(progress(1)).progress, "acme", DAYS)


class FirstRecords(LogReader):
    """Holds one record at the beginning of each partition that has one."""

    def __init__(self, extents: dict[Partition, Extent], records: dict[Partition, Record]) -> None:
        self.extents = extents
        self._records = records

    async def read(self, partition: Partition, span: Extent):  # type: ignore[no-untyped-def] # noqa: ANN201
        yield Portion([], Offset(span.beginning + 1))
        if partition in self._records:
            yield Portion([self._records[partition]], span.end)


def reader(beginning: int, end: int, *, stamp: datetime | None = None) -> LogReader:
    records: dict[Partition, Record] = {}
    if stamp:
        records[PARTITION] = FakeRecord(timestamp=int(stamp.timestamp() * 1000))
    return FirstRecords({PARTITION: Extent(Offset(beginning), Offset(end))}, records)


def gap(cause: GapCause, found_at: datetime) -> GapReport:
    return GapReport(
        partition=0,
        cause=cause,
        checkpoint=1,
        beginning=2,
        end=3,
        found_at=found_at,
        first_day=None,
        last_day=found_at.date(),
    )


async def test_a_log_from_its_beginning_has_lost_nothing() -> None:
    gaps = [gap("skipped", NOW), gap("retention", NOW)]
    assert await lost_until(reader(0, 9, stamp=NOW), gaps, NOW) is None


async def test_retention_has_removed_what_is_older_than_the_first_record_left() -> None:
    stamp = NOW - timedelta(days=3)
    assert await lost_until(reader(4, 9, stamp=stamp), [], NOW) == stamp + FUTURE_TOLERANCE


async def test_an_emptied_partition_may_have_lost_anything() -> None:
    assert await lost_until(reader(9, 9), [], NOW) == NOW + FUTURE_TOLERANCE


@pytest.mark.parametrize("cause", ["truncated", "recreated"])
async def test_a_log_that_lost_its_end_may_lack_all_from_before(cause: GapCause) -> None:
    found_at = NOW - timedelta(days=1)
    assert await lost_until(reader(0, 9), [gap(cause, found_at)], NOW) == found_at + FUTURE_TOLERANCE


@pytest.mark.parametrize("extents", [{}, {PARTITION: Extent(Offset(0), Offset(4))}])
def test_a_log_that_ends_before_a_checkpoint_is_refused(extents: dict[Partition, Extent]) -> None:
    answers = Answers({}, NOW, progress(5))
    with pytest.raises(UnavailableError, match="it lost records"):
        check_log_holds(FirstRecords(extents, {}), answers.progress)


def test_a_log_that_reaches_its_checkpoints_is_taken() -> None:
    check_log_holds(reader(0, 5), progress(5))
