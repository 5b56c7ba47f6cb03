"""The contract of every projection, for the fake and for Redis: replies and stored state."""

from datetime import UTC, datetime, timedelta

import pytest

from ingest.batch import Batch, Offset, Partition
from ingest.ports import Checkpoints, Extent, Gap, GapCause, LogState
from projector import keys
from tests.suites.projections import ObservedProjection, an_event
from tests.support.fakes_log import NOW

FIRST, SECOND, THIRD = (Partition("user-activity", number) for number in range(3))
TODAY = keys.FIRST.day("acme", NOW.date())
CAUSE: GapCause = "truncated"


def log(topic_id: str = "one", **beginnings: int) -> LogState:
    """Return a log of these partitions, named in words; of two if none is named."""
    partitions = {"first": FIRST, "second": SECOND, "third": THIRD}
    named = beginnings or {"first": 5, "second": 0}
    extents = {partitions[name]: Extent(Offset(offset), Offset(100)) for name, offset in named.items()}
    return LogState(topic_id, extents)


def batch(
    start: int, end: int, *user_ids: str | None, as_of: datetime | None = None, partition: Partition = FIRST
) -> Batch:
    events = [an_event(user_id) for user_id in user_ids]
    return Batch(partition=partition, start=Offset(start), end=Offset(end), events=events, as_of=as_of)


def gap(partition: Partition = FIRST) -> Gap:
    return Gap(partition=partition, cause=CAUSE, checkpoint=Offset(7), extent=Extent(Offset(0), Offset(3)))


@pytest.fixture
async def begun(observed: ObservedProjection) -> ObservedProjection:
    """A projection of two partitions, the first of which begins at 5."""
    await observed.projection.begin(log())
    await observed.projection.checkpoints()
    return observed


async def test_workers_share_one_clock(observed: ObservedProjection, another: ObservedProjection) -> None:
    instants = [await each.projection.now() for each in (observed, another, observed)]
    assert instants == sorted(instants)
    assert all(instant.tzinfo is not None for instant in instants)


async def test_there_are_no_checkpoints_at_first(observed: ObservedProjection) -> None:
    assert await observed.projection.checkpoints() == Checkpoints(None, {})


async def test_checkpoints_start_at_the_beginning_of_the_log(begun: ObservedProjection) -> None:
    assert await begun.projection.checkpoints() == Checkpoints("one", {FIRST: Offset(5), SECOND: Offset(0)})
    assert await begun.as_of() == {}


async def test_a_second_begin_keeps_existing_checkpoints(begun: ObservedProjection) -> None:
    await begun.projection.apply(batch(5, 7, "alice", as_of=NOW))
    await begun.projection.begin(log(first=6, second=3, third=2))
    assert await begun.projection.checkpoints() == Checkpoints(
        "one", {FIRST: Offset(7), SECOND: Offset(0), THIRD: Offset(2)}, {FIRST: NOW}
    )
    assert await begun.as_of() == {FIRST: NOW}
    assert await begun.count(TODAY) == 1


async def test_a_batch_is_counted_and_moves_the_checkpoint(begun: ObservedProjection) -> None:
    assert await begun.projection.apply(batch(5, 8, "alice", "bob", "alice", None)) == 8
    assert await begun.count(TODAY) == 2
    assert await begun.checkpoint(FIRST) == 8


async def test_partitions_have_independent_checkpoints(begun: ObservedProjection) -> None:
    await begun.projection.apply(batch(5, 8, "alice"))
    assert await begun.projection.apply(batch(0, 4, "bob", "alice", partition=SECOND)) == 4
    assert (await begun.checkpoint(FIRST), await begun.checkpoint(SECOND)) == (8, 4)
    assert await begun.count(TODAY) == 2


async def test_a_batch_that_is_sent_again_is_not_applied_twice(begun: ObservedProjection) -> None:
    first = await begun.projection.apply(batch(5, 8, "alice"))
    again = await begun.projection.apply(batch(5, 8, "alice"))
    assert first == again == 8
    assert await begun.count(TODAY) == 1


@pytest.mark.parametrize("start", [4, 6, 50])
async def test_a_batch_that_does_not_follow_is_rejected_with_the_stored_checkpoint(
    begun: ObservedProjection, start: int
) -> None:
    """Behind, as that of a zombie; ahead, as after a rollback."""
    assert await begun.projection.apply(batch(start, start + 1, "alice", as_of=NOW)) == 5
    assert await begun.count(TODAY) == 0
    assert await begun.as_of() == {}


async def test_a_batch_without_a_checkpoint_is_rejected(begun: ObservedProjection) -> None:
    assert await begun.projection.apply(batch(0, 1, "alice", as_of=NOW, partition=THIRD)) is None
    assert await begun.count(TODAY) == 0
    assert await begun.as_of() == {}


async def test_an_empty_batch_updates_as_of(begun: ObservedProjection) -> None:
    assert await begun.projection.apply(batch(5, 5, as_of=NOW)) == 5
    assert await begun.as_of() == {FIRST: NOW}


async def test_an_empty_batch_skips_records_without_events(
    begun: ObservedProjection,
) -> None:
    assert await begun.projection.apply(batch(5, 9)) == 9
    assert await begun.checkpoint(FIRST) == 9


async def test_as_of_never_decreases(begun: ObservedProjection) -> None:
    minute = timedelta(minutes=1)
    for as_of in (NOW, NOW - minute, None, NOW + minute, NOW):
        await begun.projection.apply(batch(5, 5, as_of=as_of))
    assert await begun.as_of() == {FIRST: NOW + minute}


async def test_as_of_compares_instants_not_text(begun: ObservedProjection) -> None:
    """In milliseconds, September 2001 has one more digit than August."""
    august = datetime(2001, 9, 9, 1, 46, 39, tzinfo=UTC)
    for as_of in (august, august + timedelta(days=2), august):
        await begun.projection.apply(batch(5, 5, as_of=as_of))
    assert await begun.as_of() == {FIRST: august + timedelta(days=2)}


async def test_anonymous_users_are_in_no_counter(begun: ObservedProjection) -> None:
    assert await begun.projection.apply(batch(5, 7, None, None)) == 7
    assert await begun.count(TODAY) == 0


async def test_a_rewind_moves_the_checkpoint_and_removes_as_of(begun: ObservedProjection) -> None:
    await begun.projection.apply(batch(5, 8, "alice", as_of=NOW))
    await begun.projection.apply(batch(0, 0, as_of=NOW, partition=SECOND))
    await begun.projection.rewind(FIRST, expected=Offset(8), to=Offset(2), gap=gap())
    assert await begun.checkpoint(FIRST) == 2
    assert await begun.as_of() == {SECOND: NOW}
    assert await begun.gaps() == [(FIRST.number, CAUSE)]
    assert await begun.count(TODAY) == 1


async def test_a_rewind_to_the_same_offset_removes_as_of_and_is_no_gap(begun: ObservedProjection) -> None:
    await begun.projection.apply(batch(5, 8, "alice", as_of=NOW))
    await begun.projection.rewind(FIRST, expected=Offset(8), to=Offset(8), gap=None)
    assert await begun.checkpoint(FIRST) == 8
    assert await begun.as_of() == {}
    assert await begun.gaps() == []


@pytest.mark.parametrize("partition", [FIRST, THIRD])
async def test_a_rewind_of_a_checkpoint_that_moved_does_nothing(
    begun: ObservedProjection, partition: Partition
) -> None:
    await begun.projection.apply(batch(5, 8, "alice", as_of=NOW))
    before = await begun.projection.checkpoints()
    await begun.projection.rewind(partition, expected=Offset(5), to=Offset(0), gap=gap(partition))
    assert await begun.projection.checkpoints() == before
    assert await begun.as_of() == {FIRST: NOW}
    assert await begun.gaps() == []


async def test_a_replay_after_a_rewind_gives_the_same_counts(begun: ObservedProjection) -> None:
    await begun.projection.apply(batch(5, 8, "alice", "bob"))
    await begun.projection.rewind(FIRST, expected=Offset(8), to=Offset(5), gap=None)
    assert await begun.projection.apply(batch(5, 6, "bob")) == 6
    assert await begun.count(TODAY) == 2


async def test_a_recreated_topic_is_read_from_the_beginning(begun: ObservedProjection) -> None:
    await begun.projection.apply(batch(5, 8, "alice", as_of=NOW))
    await begun.projection.restart(log("two", first=0, third=1), [gap(FIRST), gap(SECOND)])
    assert await begun.projection.checkpoints() == Checkpoints("two", {FIRST: Offset(0), THIRD: Offset(1)})
    assert await begun.as_of() == {}
    assert await begun.gaps() == [(FIRST.number, CAUSE), (SECOND.number, CAUSE)]
    assert await begun.count(TODAY) == 1


async def test_a_second_restart_for_a_recreated_topic_changes_nothing(begun: ObservedProjection) -> None:
    await begun.projection.restart(log("two"), [gap()])
    await begun.projection.checkpoints()
    await begun.projection.apply(batch(5, 8, "alice", as_of=NOW))
    await begun.projection.restart(log("two"), [gap()])
    assert await begun.checkpoint(FIRST) == 8
    assert await begun.as_of() == {FIRST: NOW}
    assert await begun.gaps() == [(FIRST.number, CAUSE)]


async def test_a_batch_of_the_former_topic_is_rejected(
    begun: ObservedProjection, another: ObservedProjection
) -> None:
    """Its offsets may occur in the new topic as well: only the topic's id distinguishes them."""
    await another.projection.checkpoints()
    await begun.projection.restart(log("two"), [])
    assert await begun.projection.apply(batch(5, 8, "alice", as_of=NOW)) is None
    assert await another.projection.apply(batch(5, 8, "alice")) is None
    await another.projection.rewind(FIRST, expected=Offset(5), to=Offset(9), gap=gap())
    assert await begun.checkpoint(FIRST) == 5
    assert await begun.gaps() == []
    assert await begun.count(TODAY) == 0


async def test_a_rollback_is_recorded_with_its_instant(begun: ObservedProjection) -> None:
    assert await begun.rolled_back_at() is None
    before = await begun.projection.now()
    await begun.projection.record_rollback()
    recorded, after = await begun.rolled_back_at(), await begun.projection.now()
    assert recorded is not None
    assert before - timedelta(milliseconds=1) <= recorded <= after
    assert await begun.projection.checkpoints() == Checkpoints("one", {FIRST: Offset(5), SECOND: Offset(0)})
