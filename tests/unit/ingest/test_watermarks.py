"""As-of is the latest instant up to which every event is known to be counted, never a later one."""

from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from ingest.batch import Offset
from ingest.worker.assignment import MAX_WATERMARKS, Watermarks
from tests.support.fakes_log import NOW

Log = list[tuple[int, datetime]]


@st.composite
def logs(draw: st.DrawFn) -> Log:
    """Draw the end of a log at each second; it grows or stays."""
    growths = draw(st.lists(st.integers(0, 3), max_size=30))
    watermarks = [sum(growths[: number + 1]) for number in range(len(growths))]
    return [(end, NOW + timedelta(seconds=number)) for number, end in enumerate(watermarks)]


def sampled(log: Log) -> Watermarks:
    samples = Watermarks()
    for end, instant in log:
        samples.add(Offset(end), instant)
    return samples


def latest_covered(log: Log, checkpoint: int) -> datetime | None:
    return max((instant for end, instant in log if end <= checkpoint), default=None)


@given(logs(), st.integers(0, 90))
def test_as_of_is_the_latest_sample_that_the_checkpoint_covers(log: Log, checkpoint: int) -> None:
    assert sampled(log).as_of(Offset(checkpoint)) == latest_covered(log, checkpoint)


@given(logs(), st.data())
def test_samples_and_reads_may_come_in_any_order(log: Log, data: st.DataObject) -> None:
    samples = Watermarks()
    checkpoint = 0
    for number, (end, instant) in enumerate(log, start=1):
        samples.add(Offset(end), instant)
        checkpoint = data.draw(st.integers(checkpoint, end))
        assert samples.as_of(Offset(checkpoint)) == latest_covered(log[:number], checkpoint)


def test_as_of_is_unknown_before_the_first_sample() -> None:
    assert Watermarks().as_of(Offset(10)) is None


def test_a_log_without_new_records_needs_no_memory() -> None:
    samples = Watermarks()
    for second in range(10 * MAX_WATERMARKS):
        samples.add(Offset(7), NOW + timedelta(seconds=second))
    assert samples.as_of(Offset(6)) is None
    assert samples.as_of(Offset(7)) == NOW + timedelta(seconds=10 * MAX_WATERMARKS - 1)


@given(st.integers(MAX_WATERMARKS, 4 * MAX_WATERMARKS), st.data())
def test_a_long_backlog_makes_as_of_coarser_and_never_later(length: int, data: st.DataObject) -> None:
    log = [(number, NOW + timedelta(seconds=number)) for number in range(length)]
    samples = sampled(log)
    checkpoint = data.draw(st.integers(0, length + 5))
    as_of = samples.as_of(Offset(checkpoint))
    assert as_of is None or as_of <= NOW + timedelta(seconds=checkpoint)


@given(st.integers(MAX_WATERMARKS, 4 * MAX_WATERMARKS))
def test_as_of_after_a_backlog_is_the_last_sample(length: int) -> None:
    log = [(number, NOW + timedelta(seconds=number)) for number in range(length)]
    assert sampled(log).as_of(Offset(length)) == log[-1][1]


def test_ends_of_a_truncated_log_are_dropped() -> None:
    """New records come before those ends: a checkpoint that reaches them does not cover the lost ones."""
    second = timedelta(seconds=1)
    samples = sampled([(10, NOW), (20, NOW + second), (5, NOW + 2 * second)])
    assert samples.as_of(Offset(4)) is None
    assert samples.as_of(Offset(12)) == NOW + 2 * second
    samples.add(Offset(8), NOW + 3 * second)
    assert samples.as_of(Offset(7)) == NOW + 2 * second
