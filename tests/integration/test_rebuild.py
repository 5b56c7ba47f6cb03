"""`headcount rebuild` on a real Kafka and a real Redis: beside the live counters, then in their place."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, date, datetime, timedelta

import pytest
from redis.asyncio import Redis

from headcount.ops.rebuild.rebuild import open_rebuild
from headcount.ops.rebuild.report import accept_changes, accept_loss
from headcount.worker import serve_worker
from ingest.batch import Offset, Partition
from ingest.errors import OperatorError, UnavailableError
from ingest.worker.health import is_ready
from ingest.worker.stats import Stats
from projector import keys
from projector.checkpoints import read_progress
from projector.rebuild.rebuild_lock import rebuild_lock
from projector.views.daily import OtherTimeZoneError, RedisView
from tests.support.deployment import Deployment, deployed, event
from tests.support.people import as_stored, count
from tests.support.waiting import wait_until, within

NOON = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0) - timedelta(days=1)
DAY = NOON.date()
LARGE = 600
MOST_NEWCOMERS = 400
"""So that they are counted exactly, with those who were there before."""
ANOTHER_KEY = "another key for tests, as long as it has to be"


@pytest.fixture
async def deployment(
    kafka_bootstrap_servers: str, topic: str, redis_url: str, redis_client: Redis
) -> AsyncIterator[Deployment]:
    """A deployment that has counted a small workspace and a large one, in two partitions, and some poison."""
    async with deployed(kafka_bootstrap_servers, topic, redis_url) as deployment:
        await deployment.publish(b"poison", *(event(f"user-{number}", NOON) for number in range(20)))
        crowd = [event(f"user-{number}", NOON, workspace_id="large") for number in range(LARGE)]
        await deployment.publish(*crowd, partition=1)
        await deployment.count()
        yield deployment


async def counters(redis: Redis) -> dict[str, bytes]:
    """Read the live counters as they are stored, by their names without the generation."""
    live = keys.ONLY.generation((await read_progress(redis)).generation)
    found = [key async for key in redis.scan_iter(live.every) if live.counter(key.decode()) is not None]
    return {str(live.counter(key.decode())): value for key, value in (await as_stored(redis, found)).items()}


async def generations(redis: Redis) -> set[str]:
    """Return the generations that have any keys."""
    return {key.decode().split(":")[3] async for key in redis.scan_iter(keys.ONLY.every_live)}


async def users_of(redis: Redis, workspace_id: str, day: date = DAY) -> int:
    live = keys.ONLY.generation((await read_progress(redis)).generation)
    return await count(redis, live.day(workspace_id, day))


async def test_where_nothing_changed_the_new_counters_are_equal_to_the_byte(
    deployment: Deployment, redis_client: Redis
) -> None:
    before, progress = await counters(redis_client), await read_progress(redis_client)
    ended = await deployment.headcount("rebuild")
    assert (ended.exit_code, ended.text) == (
        0,
        "Every counter is unchanged.\nRecords read: 621. The new counters are live.\n",
    )
    assert await counters(redis_client) == before
    after = await read_progress(redis_client)
    assert (after.generation, after.checkpoints, after.as_of) == (1, progress.checkpoints, progress.as_of)
    assert await generations(redis_client) == {"live-1"}
    assert not await redis_client.exists(keys.ONLY.rebuild_lock)


async def test_what_the_live_counters_lacked_is_named_and_there_afterwards(
    deployment: Deployment, redis_client: Redis
) -> None:
    whole = await counters(redis_client)
    await redis_client.delete(keys.FIRST.day("large", DAY))
    ended = await deployment.headcount("rebuild", "--json")
    assert ended.exit_code == 0
    assert (ended.json["replaced"], ended.json["records"], ended.json["losses"]) == (True, 621, [])
    assert [(each["day"], each["state"]) for each in ended.json["differences"]["damaged"]] == [
        (str(DAY), "missing")
    ]
    assert await counters(redis_client) == whole


async def test_a_dry_run_reports_and_leaves_nothing_behind(
    deployment: Deployment, redis_client: Redis
) -> None:
    await redis_client.delete(keys.FIRST.day("acme", DAY))
    before = set(await redis_client.keys())
    ended = await deployment.headcount("rebuild", "--dry-run")
    assert ended.exit_code == 0
    assert "missing" in ended.text
    assert ended.text.endswith("Records read: 621. Nothing was replaced.\n")
    assert set(await redis_client.keys()) == before
    assert await redis_client.hmget(keys.ONLY.deployment, ["next", "held_until", "generation"]) == [None] * 3


async def test_counts_that_the_log_no_longer_holds_are_not_given_up_unasked(
    deployment: Deployment, redis_client: Redis
) -> None:
    await deployment.drop_records(up_to=11)
    before = await counters(redis_client)
    refused = await deployment.headcount("rebuild")
    assert refused.exit_code == 1
    assert refused.stderr.startswith(f"headcount: The log no longer holds all users counted on {DAY}")
    assert await counters(redis_client) == before
    accepted = await deployment.headcount("rebuild", "--yes", "--json")
    assert (accepted.exit_code, accepted.json["lost_days"]) == (0, [str(DAY)])
    assert accepted.json["records"] == 0, "it went on where it was"
    assert await users_of(redis_client, "acme") == 10


async def test_a_new_time_zone_has_the_worker_of_the_old_one_wait(
    deployment: Deployment, redis_client: Redis
) -> None:
    """It leaves its partitions to workers with the new one, and continues once the old one is back."""
    await deployment.publish(event("night-owl", NOON.replace(hour=22), workspace_id="night"))
    tokyo = deployment.with_settings(TIME_ZONE="Asia/Tokyo")
    stats, stopping = Stats(), asyncio.Event()
    worker = asyncio.create_task(serve_worker(deployment.worker_settings, stopping, stats=stats))
    await wait_until(deployment.is_caught_up, deadline_seconds=20)
    old_view = RedisView(redis_client)
    assert (await old_view.daily_counts("night", [DAY])).users == [1]
    ended = await tokyo.program("rebuild", "--change", "TIME_ZONE", "--json")
    assert (ended.exit_code, ended.json["losses"]) == (0, [])
    assert ended.json["changes"] == [{"field": "time_zone", "was": "UTC", "now": "Asia/Tokyo"}]
    await wait_until(lambda: stats.state.waiting_for is not None, message="the worker waited")
    assert "TIME_ZONE='Asia/Tokyo', but this process is" in (stats.state.waiting_for or "")
    assert (stats.state.partitions, is_ready(stats.state)) == (None, False)
    with pytest.raises(OtherTimeZoneError, match="of the days of Asia/Tokyo, not of UTC"):
        await old_view.as_of()
    new_view = RedisView(redis_client, time_zone="Asia/Tokyo")
    days = [DAY, DAY + timedelta(days=1)]
    assert (await new_view.daily_counts("night", days)).users == [0, 1]
    await tokyo.publish(event("early-bird", NOON.replace(hour=22), workspace_id="night"))
    await tokyo.count()
    assert (await new_view.daily_counts("night", days)).users == [0, 2]
    assert not worker.done()
    back = await deployment.program("rebuild", "--change", "TIME_ZONE")
    assert back.exit_code == 0
    await wait_until(lambda: is_ready(stats.state), deadline_seconds=20, message="the worker was ready again")
    assert (await old_view.daily_counts("night", [DAY])).users == [2]
    stopping.set()
    await worker


async def test_a_worker_that_waits_for_its_time_zone_can_be_stopped(
    deployment: Deployment, redis_client: Redis
) -> None:
    stats, stopping = Stats(), asyncio.Event()
    worker = asyncio.create_task(serve_worker(deployment.worker_settings, stopping, stats=stats))
    await wait_until(lambda: is_ready(stats.state), deadline_seconds=20)
    tokyo = deployment.with_settings(TIME_ZONE="Asia/Tokyo")
    assert (await tokyo.program("rebuild", "--change", "TIME_ZONE")).exit_code == 0
    await wait_until(lambda: stats.state.waiting_for is not None)
    stopping.set()
    async with within(10):
        await worker


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"TIME_ZONE": "Asia/Tokyo"}, ["TIME_ZONE"]),
        ({"USER_ID_HASH_KEY": ANOTHER_KEY}, ["USER_ID_HASH_KEY"]),
        ({"IGNORED_USER_TYPES": "bot", "RETENTION_DAYS": "30"}, ["IGNORED_USER_TYPES", "RETENTION_DAYS"]),
        ({"BUCKET_RETENTION_DAYS": "0"}, ["BUCKET_RETENTION_DAYS"]),
    ],
)
async def test_a_setting_that_differs_is_not_changed_unasked(
    deployment: Deployment, redis_client: Redis, settings: dict[str, str], named: list[str]
) -> None:
    """Also not by any other command that computes counters; `rebuild` then begins nothing."""
    other, before = deployment.with_settings(**settings), await everything(redis_client)
    options = [word for name in named for word in ("--change", name)]
    commands = [
        ["rebuild"],
        ["rebuild", "--yes", *options[:-2]],
        ["audit"],
        ["audit", "--repair"],
        ["verify", "--workspace", "acme"],
        ["forget", "--workspace", "acme", "--user", "user-1", "--yes"],
        ["remember", "--workspace", "acme", "--user", "user-1", "--yes"],
        ["skip", "--partition", "0", "--to", "30", "--yes"],
    ]
    for command in commands:
        refused = await other.headcount(*command)
        assert (refused.exit_code, refused.stdout) in {(1, b""), (3, b"")}, command
        assert refused.stderr.startswith("headcount: Redis holds counters for "), command
        assert named[-1] in refused.stderr
    refused = await other.headcount("rebuild")
    assert refused.stderr.endswith(f"headcount rebuild {' '.join(options)}.\n")
    assert await everything(redis_client) == before
    ended = await other.headcount("rebuild", *options)
    assert (ended.exit_code, ended.stderr) == (0, "")
    assert all(f"Changed: {name}, from " in ended.text for name in named)
    assert (await other.headcount("rebuild")).exit_code == 0, "it is recorded now"


async def test_a_dry_run_shows_a_change_and_makes_none(deployment: Deployment, redis_client: Redis) -> None:
    before = await redis_client.hgetall(keys.ONLY.deployment)
    ended = await deployment.with_settings(TIME_ZONE="Asia/Tokyo").headcount("rebuild", "--dry-run")
    assert ended.exit_code == 0
    assert ended.text.startswith("Changed: TIME_ZONE, from 'UTC' to 'Asia/Tokyo'.\n")
    after = await redis_client.hgetall(keys.ONLY.deployment)
    assert {name: value for name, value in after.items() if name != b"generations"} == before


async def test_a_setting_that_no_rebuild_can_change_is_no_choice(deployment: Deployment) -> None:
    ended = await deployment.headcount("rebuild", "--change", "KAFKA_TOPIC")
    assert (ended.exit_code, "expected one of TIME_ZONE, " in ended.stderr) == (2, True)


async def everything(redis: Redis) -> dict[bytes, bytes | None]:
    """Read whatever Redis holds, but for what expires within seconds."""
    names = [key async for key in redis.scan_iter() if key != keys.ONLY.rebuild_lock.encode()]
    return {name: await redis.dump(name) for name in names}


async def test_a_lost_key_is_survived(deployment: Deployment, redis_client: Redis) -> None:
    """Under a new key everybody is somebody else, and as many as before."""
    rekeyed = deployment.with_settings(USER_ID_HASH_KEY=ANOTHER_KEY)
    before = await counters(redis_client)
    refused = await rekeyed.headcount("audit")
    assert "Redis holds counters for USER_ID_HASH_KEY=the key with the fingerprint" in refused.stderr
    ended = await rekeyed.headcount("rebuild", "--change", "USER_ID_HASH_KEY")
    assert (ended.exit_code, ended.stderr) == (0, "")
    after = await counters(redis_client)
    assert after.keys() == before.keys()
    assert not any(after[name] == before[name] for name in before)
    assert await users_of(redis_client, "acme") == 20
    await rekeyed.publish(event("newcomer", NOON))
    await rekeyed.count()
    assert await users_of(redis_client, "acme") == 21
    with pytest.raises(OperatorError, match="USER_ID_HASH_KEY"):
        await serve_worker(deployment.worker_settings, asyncio.Event())


async def test_a_rebuild_that_was_cut_off_goes_on_where_it_was(
    deployment: Deployment, redis_client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = await counters(redis_client)
    async with open_rebuild(deployment.config) as first:
        monkeypatch.setattr(first, "_suspects", cut_off)
        with pytest.raises(UnavailableError):
            await first.replace(accept_loss)
        assert first.counting.records == 621
    assert await generations(redis_client) == {"live-0", "live-1"}
    async with open_rebuild(deployment.config) as second:
        report = await second.replace(accept_loss)
    assert (report.records, report.replaced) == (0, True)
    assert await counters(redis_client) == before
    assert await generations(redis_client) == {"live-1"}


async def cut_off() -> Sequence[object]:
    raise UnavailableError("cut off")


async def test_what_was_begun_with_another_meaning_is_not_gone_on_with(
    deployment: Deployment, redis_client: Redis
) -> None:
    tokyo = deployment.with_settings(TIME_ZONE="Asia/Tokyo")
    async with open_rebuild(tokyo.config, accept_changes) as first:
        await first.counting.approach()
    before = await counters(redis_client)
    async with open_rebuild(deployment.config) as second:
        report = await second.replace(accept_loss)
    assert report.records == 621
    assert await counters(redis_client) == before
    assert await generations(redis_client) == {"live-2"}


async def test_there_is_one_rebuild_at_a_time(deployment: Deployment, redis_client: Redis) -> None:
    async with rebuild_lock(redis_client):
        second = await deployment.headcount("rebuild")
    assert second.exit_code == 1
    assert second.stderr.startswith("headcount: Another rebuild is running")


async def test_who_is_no_longer_the_rebuilder_replaces_and_removes_nothing(
    deployment: Deployment, redis_client: Redis
) -> None:
    with suppress(UnavailableError):  # of the lease's renewal, if that finds out first
        async with open_rebuild(deployment.config) as rebuild:
            await rebuild.counting.approach()
            await redis_client.set(keys.ONLY.rebuild_lock, "another")
            with pytest.raises(UnavailableError):
                await rebuild.replace(accept_loss)
            with pytest.raises(UnavailableError):
                await rebuild.examine()
    assert (await read_progress(redis_client)).generation == 0
    assert await generations(redis_client) == {"live-0", "live-1"}


@pytest.mark.parametrize("change", ["lost", "forgotten", "recreated"])
async def test_what_changed_under_a_rebuild_ends_it(
    deployment: Deployment, redis_client: Redis, change: str
) -> None:
    before = await counters(redis_client)
    async with open_rebuild(deployment.config) as rebuild:
        await rebuild.counting.approach()
        if change == "lost":
            await redis_client.hdel(keys.ONLY.deployment, "next")
        elif change == "forgotten":
            await redis_client.hincrby(keys.ONLY.deployment, "forgotten", 1)
        else:
            await redis_client.hset(keys.ONLY.deployment, "topic_id", "another")
        with pytest.raises(UnavailableError, match="Nothing was replaced"):
            await rebuild.replace(accept_loss)
    assert await counters(redis_client) == before


async def test_a_redis_that_was_put_back_meanwhile_is_noticed(
    deployment: Deployment, redis_client: Redis
) -> None:
    """As a rollback does, but of one checkpoint: the step after it has another start."""
    partition = Partition(deployment.config.kafka.topic, 1)
    async with open_rebuild(deployment.config) as rebuild:
        original = rebuild._next_generation.checkpoints
        await rebuild.counting.approach()
        await redis_client.hset(keys.ONLY.generation(1).checkpoints, str(partition), 7)
        stale = {**await original(), partition: Offset(6)}

        async def checkpoints() -> dict[Partition, Offset]:
            return stale

        rebuild._next_generation.checkpoints = checkpoints  # type: ignore[method-assign]
        with pytest.raises(UnavailableError, match="Nothing was replaced"):
            await rebuild.replace(accept_loss)
    assert (await read_progress(redis_client)).generation == 0


async def test_what_an_operator_skipped_stays_skipped(deployment: Deployment, redis_client: Redis) -> None:
    await deployment.publish(*(event(f"skipped-{number}", NOON) for number in range(5)))
    assert (await deployment.headcount("skip", "--partition", "0", "--to", "26", "--yes")).exit_code == 0
    await deployment.count()
    before = await counters(redis_client)
    ended = await deployment.headcount("rebuild", "--json")
    assert (ended.exit_code, ended.json["records"]) == (0, 621)
    assert await counters(redis_client) == before


async def test_partitions_that_are_added_meanwhile_are_counted_too(
    deployment: Deployment, redis_client: Redis
) -> None:
    """Their first checkpoint comes from a worker, while the rebuild is on its way."""
    added = Partition(deployment.config.kafka.topic, 3)
    await deployment.publish(event("late", NOON), partition=3)
    await redis_client.hdel(keys.FIRST.checkpoints, str(added))
    async with open_rebuild(deployment.config) as rebuild:
        await rebuild.counting.approach()
        await deployment.count()
        await rebuild.replace(accept_loss)
    assert (await read_progress(redis_client)).checkpoints[added] == 1
    assert await users_of(redis_client, "acme") == 21


async def test_nothing_is_rebuilt_of_an_empty_redis(deployment: Deployment, redis_client: Redis) -> None:
    await redis_client.flushdb()
    ended = await deployment.headcount("rebuild")
    assert (ended.exit_code, ended.stderr) == (
        1,
        "headcount: Redis holds no counters yet: start a worker, which counts the whole log.\n",
    )
    assert await redis_client.keys() == []


async def test_another_topic_is_not_counted_in_its_place(deployment: Deployment) -> None:
    ended = await deployment.with_settings(KAFKA_TOPIC="another").headcount("rebuild")
    assert ended.exit_code == 1
    assert "a rebuild can't change the topic" in ended.stderr


class Poll:
    """Asks a view again and again, and keeps each answer, and whatever went wrong instead."""

    def __init__(self, redis: Redis) -> None:
        self.answers: list[tuple[int, datetime]] = []
        self.failures: list[Exception] = []
        self._view = RedisView(redis)

    async def run(self, ended: asyncio.Event) -> None:
        while not ended.is_set():
            try:
                counts = await self._view.daily_counts("acme", [DAY])
            except Exception as error:  # noqa: BLE001 - each is a failed answer, whatever it is
                self.failures.append(error)
            else:
                self.answers.append((counts.users[0], counts.as_of))
            await asyncio.sleep(0.005)


@asynccontextmanager
async def beside(*works: Callable[[asyncio.Event], Coroutine[None, None, None]]) -> AsyncIterator[None]:
    """Run each beside the block, until the block has ended."""
    ended = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        for work in works:
            tasks.create_task(work(ended))
        try:
            yield
        finally:
            ended.set()


async def test_under_traffic_no_answer_is_wrong_or_missing(
    deployment: Deployment, redis_client: Redis
) -> None:
    """People come all the while, and are counted in both; answers and as-of only ever grow."""
    newcomers: list[str] = []

    async def publish(ended: asyncio.Event) -> None:
        while not ended.is_set():
            newcomers.append(f"late-{len(newcomers) % MOST_NEWCOMERS}")
            await deployment.publish(event(newcomers[-1], NOON), partition=len(newcomers) % 4)

    async with deployment.worker():
        await wait_until(deployment.is_caught_up, deadline_seconds=20)
        poll = Poll(redis_client)
        async with beside(publish, poll.run):
            for generation in (1, 2):
                ended = await deployment.program("rebuild", "--json")
                assert (ended.exit_code, ended.json["differences"]["damaged"]) == (0, [])
                assert ended.json["differences"]["surplus"] is None
                assert (await read_progress(redis_client)).generation == generation
        assert poll.failures == []
        assert poll.answers == sorted(poll.answers, key=lambda answer: answer[0])
        assert poll.answers == sorted(poll.answers, key=lambda answer: answer[1])
        assert 20 < poll.answers[-1][0] <= 20 + len(set(newcomers))
        await wait_until(deployment.is_caught_up, deadline_seconds=20)
        assert await users_of(redis_client, "acme") == 20 + len(set(newcomers))
        assert await generations(redis_client) == {"live-2"}
    assert (await deployment.headcount("audit")).text.startswith("Every counter matches the log.")


async def test_a_redis_that_is_nearly_full_is_left_to_its_worker(
    deployment: Deployment, redis_client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    await redis_client.config_set("maxmemory", 10**9)
    try:
        monkeypatch.setattr("projector.redis.server.MAX_MEMORY_USE", 1e-6)
        ended = await deployment.headcount("rebuild")
    finally:
        await redis_client.config_set("maxmemory", 0)
    assert (ended.exit_code, "of its maxmemory" in ended.stderr) == (1, True)
    assert (await read_progress(redis_client)).generation == 0
