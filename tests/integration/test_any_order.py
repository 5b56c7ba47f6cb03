"""The main invariant: any order, any repetition and any split into batches give the same counters.

The same members while a counter is exact, and the same registers from then on; in the same bytes
too, except for what a HyperLogLog has apart from its registers: the cached count, and the run lengths
of its sparse encoding.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from random import Random
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from ingest.batch import Batch, Offset, Partition
from ingest.events.event import Event
from ingest.ports import Extent, LogState
from projector import keys
from projector.calendar import Calendar
from projector.deployment import Deployment
from projector.projection import RedisProjection
from tests.support.people import PEOPLE, PSEUDONYMS, as_stored, content, count, is_exact

NOW = datetime(2024, 5, 17, 12, tzinfo=UTC)
CALENDAR = Calendar(time_zone=ZoneInfo("America/St_Johns"), retention_days=0, bucket_retention_days=0)
PARTITIONS = [Partition("user-activity", number) for number in range(2)]
DAY = keys.FIRST.day("acme", NOW.date())
EXACT = 512
USERS = [f"user-{number}" for number in range(40)]
ON_REDIS = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,  # each example empties the database itself
        HealthCheck.too_slow,  # a busy machine is
    ],
)
EVENTS = st.lists(
    st.builds(
        lambda user_id, workspace_id, minutes: Event(
            workspace_id=workspace_id,
            user_id=user_id,
            occurred_at=NOW + timedelta(minutes=minutes),
            type="message",
        ),
        st.sampled_from(USERS),
        st.sampled_from(["acme", "other"]),
        st.integers(-2_000, 0),
    ),
    min_size=1,
    max_size=60,
)


@dataclass
class Reading:
    """One way to read a log: a sequence of batches, each of one partition."""

    batches: Sequence[tuple[Partition, Sequence[Event]]]


@st.composite
def readings(draw: st.DrawFn, events: Sequence[Event]) -> Reading:
    """Repeat some events, shuffle all, distribute them over the partitions, and split them into batches."""
    repeated = draw(st.lists(st.sampled_from(events), max_size=20))
    shuffled = draw(st.permutations([*events, *repeated]))
    cuts = sorted(draw(st.sets(st.integers(1, len(shuffled)), max_size=8)) | {0, len(shuffled)})
    return Reading(
        [(draw(st.sampled_from(PARTITIONS)), shuffled[start:end]) for start, end in pairwise(cuts)]
    )


async def project(redis: Redis, reading: Reading) -> Mapping[bytes, bytes]:
    """Count a reading in an empty Redis, and return its counters."""
    await redis.flushdb()
    await project_into(redis, reading)
    return await counters(redis)


async def project_into(redis: Redis, reading: Reading) -> None:
    """Count a reading from its beginning into the existing counters."""
    await redis.delete(keys.FIRST.checkpoints, keys.FIRST.as_of)
    projection = RedisProjection(
        redis,
        CALENDAR,
        PEOPLE,
        deployment=Deployment(
            topic="user-activity", time_zone=CALENDAR.time_zone.key, user_id_hash_key=PSEUDONYMS.fingerprint
        ),
        clock=lambda: NOW,
    )
    nothing = Extent(Offset(0), Offset(0))
    await projection.begin(LogState("one", dict.fromkeys(PARTITIONS, nothing)))
    ends = dict.fromkeys(PARTITIONS, Offset(0))
    for partition, events in reading.batches:
        start, end = ends[partition], Offset(ends[partition] + len(events))
        assert await projection.apply(Batch(partition=partition, start=start, end=end, events=events)) == end
        ends[partition] = end


async def counters(redis: Redis) -> Mapping[bytes, bytes]:
    names = [key async for key in redis.scan_iter() if keys.FIRST.counter(key.decode())]
    return await as_stored(redis, names)


@ON_REDIS
@given(events=EVENTS, data=st.data())
async def test_any_order_repetition_and_split_give_equal_counters(
    redis_client: Redis, events: Sequence[Event], data: st.DataObject
) -> None:
    plain = await project(redis_client, Reading([(PARTITIONS[0], events)]))
    assert await project(redis_client, data.draw(readings(events))) == plain


@ON_REDIS
@given(events=EVENTS)
async def test_the_counts_are_the_distinct_users(redis_client: Redis, events: Sequence[Event]) -> None:
    await project(redis_client, Reading([(PARTITIONS[0], events)]))
    counted_users: dict[str, set[str]] = {}
    for event in events:
        day = event.occurred_at.astimezone(CALENDAR.time_zone).date()
        assert event.user_id is not None
        counted_users.setdefault(keys.FIRST.day(event.workspace_id, day), set()).add(event.user_id)
    for key, user_ids in counted_users.items():
        assert await count(redis_client, key) == len(user_ids)


@settings(ON_REDIS, max_examples=40)
@given(counted_users=st.integers(EXACT - 30, EXACT + 30), random=st.randoms(use_true_random=False))
async def test_a_counter_at_the_limit_depends_only_on_its_users(
    redis_client: Redis, counted_users: int, random: Random
) -> None:
    """The number of users decides whether it is exact, the users decide its contents."""
    await project(
        redis_client, shuffled([active(f"user-{number}") for number in range(counted_users)], random)
    )
    assert await is_exact(redis_client, DAY) == (counted_users <= EXACT)
    users = PSEUDONYMS.of("acme", (f"user-{number}" for number in range(counted_users)))
    await (redis_client.sadd if counted_users <= EXACT else redis_client.pfadd)("plain", *users)
    assert await content(redis_client, DAY) == await content(redis_client, "plain")


@settings(ON_REDIS, max_examples=30)
@given(
    counted_users=st.integers(EXACT - 5, EXACT + 5),
    reached=st.integers(0, EXACT + 5),
    random=st.randoms(use_true_random=False),
)
async def test_a_replay_into_existing_counters_changes_nothing_at_the_limit(
    redis_client: Redis, counted_users: int, reached: int, random: Random
) -> None:
    """A checkpoint may be lost or set back at any moment: below the limit and above it."""
    events = [active(f"user-{number}") for number in range(counted_users)]
    plain = await project(redis_client, Reading([(PARTITIONS[0], events)]))
    await project(redis_client, Reading([(PARTITIONS[0], events[:reached])]))
    for _ in range(2):
        await project_into(redis_client, shuffled(events, random))
        assert await counters(redis_client) == plain


@settings(ON_REDIS, max_examples=20)
@given(size=st.integers(1, 40), random=st.randoms(use_true_random=False))
async def test_a_counter_is_exact_up_to_the_limit_and_has_the_same_users_beyond(
    redis_client: Redis, size: int, random: Random
) -> None:
    """Batch by batch across the limit, with known users among the new ones."""
    events = [active(f"user-{number}") for number in range(EXACT + 2 * size)]
    present = events[: EXACT - size]
    await project(redis_client, Reading([(PARTITIONS[0], present)]))
    for end in range(len(present), len(events) + 1, max(1, size // 3)):
        batch = [*events[len(present) : end], *random.choices(present, k=5)]
        present = events[:end]
        await project_into(redis_client, Reading([(random.choice(PARTITIONS), batch)]))
        assert await is_exact(redis_client, DAY) == (end <= EXACT)
        if end <= EXACT:
            assert await count(redis_client, DAY) == end
    await redis_client.pfadd("plain", *PSEUDONYMS.of("acme", (str(event.user_id) for event in present)))
    if len(present) > EXACT:
        assert await content(redis_client, DAY) == await content(redis_client, "plain")


async def test_known_users_do_not_turn_a_counter_into_an_estimate(redis_client: Redis) -> None:
    events = [active(f"user-{number}") for number in range(EXACT)]
    before = await project(redis_client, Reading([(PARTITIONS[0], events)]))
    await project_into(redis_client, Reading([(PARTITIONS[1], events), (PARTITIONS[0], events)]))
    assert await counters(redis_client) == before
    assert await count(redis_client, DAY) == EXACT


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("counted_users", [1_000, 1_650, 4_000], ids=["sparse", "sparse-or-dense", "dense"])
async def test_large_counters_have_equal_registers(
    redis_client: Redis, counted_users: int, seed: int
) -> None:
    events = [active(f"user-{number}") for number in range(counted_users)]
    await project(redis_client, Reading([(PARTITIONS[0], events)]))
    plain, counted = await content(redis_client, DAY), await count(redis_client, DAY)
    await project(redis_client, shuffled(events, Random(seed)))
    assert await content(redis_client, DAY) == plain
    assert await count(redis_client, DAY) == counted


async def test_days_are_unions_of_their_buckets(redis_client: Redis) -> None:
    """All 15-minute buckets of a day in a zone whose offset is no whole hour."""
    first = datetime(2024, 5, 16, 2, 30, tzinfo=UTC)  # midnight in St John's
    events = [active(f"user-{number}", first + timedelta(minutes=15) * number) for number in range(96)]
    found = await project(redis_client, Reading([(PARTITIONS[0], events)]))
    buckets = [key for key in found if b":bucket:" in key]
    assert len(buckets) == 96
    day = keys.FIRST.day("acme", first.astimezone(CALENDAR.time_zone).date())
    assert [key for key in found if b":day:" in key] == [day.encode()]
    await redis_client.sunionstore("united", buckets)
    assert await content(redis_client, "united") == await content(redis_client, day)


def shuffled(events: Sequence[Event], random: Random) -> Reading:
    """Repeat a third of the events, shuffle all, and distribute them over the partitions in a few batches."""
    all_events = random.sample([*events, *events[::3]], len(events) + len(events[::3]))
    cuts = sorted({0, len(all_events), *random.choices(range(len(all_events)), k=5)})
    return Reading([(random.choice(PARTITIONS), all_events[start:end]) for start, end in pairwise(cuts)])


def active(user_id: str, occurred_at: datetime = NOW) -> Event:
    return Event(workspace_id="acme", user_id=user_id, occurred_at=occurred_at, type="message")
