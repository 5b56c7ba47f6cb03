"""The shipped users of Redis: each has the rights that its process needs, and no others."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

import pytest
from redis.asyncio import Redis
from redis.exceptions import AuthenticationError, NoPermissionError, ResponseError

from api.limits.redis_rate_limiter import RedisRateLimiter
from api.store.tokens import RedisTokenStore
from embedded import EmbeddedValkey
from headcount.ops.doctor.rights import lacks_replay_rights
from headcount.ops.rebuild.report import accept_changes
from ingest.batch import Batch, Offset, Partition
from ingest.events.event import Event
from ingest.ports import Erasure, ErasureAction, Erasures, Extent, Gap, LogState
from projector import keys
from projector.calendar import Calendar
from projector.checkpoints import read_progress
from projector.counted_users import read_counted_users, record_forgotten, record_remembered
from projector.counter_config import CounterConfig
from projector.deployment import Deployment
from projector.erasures import restore_erasures
from projector.gaps import acknowledge, read_acknowledged
from projector.projection import RedisProjection
from projector.rebuild.erasure import erase, find
from projector.rebuild.next_generation import NextGeneration
from projector.rebuild.rebuild_lock import rebuild_lock, writes_paused
from projector.rebuild.repair import Repair
from projector.rebuild.shadow import ShadowProjection
from projector.views.daily import RedisView
from tests.support.fakes_api import make_token
from tests.support.people import PEOPLE
from tests.support.redis_users import (
    ADMINISTRATOR,
    PARTS,
    REDIS_FOLDER,
    administrator_url,
    make_users,
    url_as,
)
from tests.support.servers import Servers

NOW: Final = datetime.now(UTC)
TODAY: Final = keys.FIRST.day("acme", NOW.date())
BUCKET: Final = keys.FIRST.bucket("acme", 1)
PARTITION: Final = Partition("activity", 0)
EXTENT: Final = Extent(Offset(0), Offset(9))
KEPT: Final = Calendar(time_zone=ZoneInfo("UTC"), retention_days=400, bucket_retention_days=45)
FOR_EVER: Final = Calendar(time_zone=ZoneInfo("UTC"), retention_days=0, bucket_retention_days=0)
DEPLOYMENT: Final = Deployment(topic="activity", time_zone="UTC", user_id_hash_key=None)
UNSEEN: Final = frozenset({"ACL|DRYRUN", "CONFIG|GET", "SELECT"})
"""Commands that MONITOR does not show because they may contain a secret, or that only a database other than 0
needs."""
CONTAINERS: Final = frozenset({"ACL", "CLIENT", "CONFIG", "SCRIPT"})


class Guarded:
    """A Redis with the shipped users."""

    def __init__(self, port: int) -> None:
        self.url = administrator_url(f"127.0.0.1:{port}")

    @asynccontextmanager
    async def client(self, user: str = ADMINISTRATOR) -> AsyncIterator[Redis]:
        async with Redis.from_url(url_as(user, self.url), driver_info=None) as client:
            yield client


@pytest.fixture
async def guarded(embedded_valkey: Servers[EmbeddedValkey], tmp_path: Path) -> Guarded:
    valkey = await embedded_valkey.start(options={"aclfile": str(make_users(tmp_path / "users"))})
    return Guarded(valkey.port)


class Granted(NamedTuple):
    """Names of commands, in capitals, and patterns of keys."""

    commands: set[str]
    patterns: set[str]


def granted_to(user: str) -> Granted:
    """Read the rights of a user in the shipped file."""
    text = re.sub(r"^#.*\n", "", (REDIS_FOLDER / "users.acl").read_text(), flags=re.MULTILINE)
    (rights,) = re.findall(rf"^user {user} (.*?)(?=^user |\Z)", text, re.MULTILINE | re.DOTALL)
    commands = {command.upper() for command in re.findall(r"\+([a-z|]+)", rights)}
    return Granted(commands, set(re.findall(r"~([^\s)]+)", rights)))


async def work_as_worker(redis: Redis) -> None:
    projection = projection_in(redis)
    await projection.claim()
    await projection.begin(LogState("one", {PARTITION: EXTENT}))
    gap = Gap(partition=PARTITION, cause="retention", checkpoint=Offset(0), extent=EXTENT)
    await projection.restart(LogState("two", {PARTITION: EXTENT}), [gap])
    await projection.checkpoints()
    await projection.apply(a_batch(await projection.now()))
    await restore(redis, "forgotten")
    await restore(redis, "remembered")
    await projection.rewind(PARTITION, expected=Offset(1), to=Offset(0), gap=gap)
    others = projection_in(redis, FOR_EVER)
    await others.checkpoints()
    assert await others.apply(a_batch(NOW, "others", counted_users=513)) == 1


async def restore(redis: Redis, action: ErasureAction) -> None:
    """As after a loss in Redis: a user of the log is missing from the list, or has to be taken off it."""
    entry = Erasure(action, Offset(0), "")
    erasures = Erasures("log", Offset(1), {"acme:1": entry})
    restored = await restore_erasures(redis, erasures, clock=lambda: NOW)
    assert (restored.added, restored.dropped) == ((1, 0) if action == "forgotten" else (0, 1))


def projection_in(redis: Redis, calendar: Calendar = KEPT) -> RedisProjection:
    return RedisProjection(redis, calendar, PEOPLE, deployment=DEPLOYMENT, clock=lambda: NOW)


def a_batch(as_of: datetime | None, workspace_id: str = "acme", *, counted_users: int = 1) -> Batch:
    events = [Event(workspace_id, NOW, "message", f"anna-{number}") for number in range(counted_users)]
    return Batch(partition=PARTITION, start=Offset(0), end=Offset(1), events=events, as_of=as_of)


async def work_as_api(redis: Redis) -> None:
    tokens = RedisTokenStore(redis)
    token, *_ = await tokens.list()
    await tokens.find(token.digest)
    await tokens.ping()
    view = RedisView(redis)
    assert (await view.daily_counts("acme", [NOW.date(), date(2020, 1, 1)])).users == [1, 0]
    assert (await view.daily_counts("others", [NOW.date()])).standard_error > 0
    assert (await RedisRateLimiter(redis, per_minute=9).count(token.id, NOW)).used == 1


async def work_as_operator(redis: Redis) -> None:
    tokens = RedisTokenStore(redis)
    token, _ = make_token()
    await tokens.add(token)
    await tokens.find(token.digest)
    await tokens.revoke(token.id, NOW)
    await read_progress(redis)
    assert (await RedisView(redis).daily_counts("others", [NOW.date()])).users
    await rebuild(redis)
    await skip(redis)
    await acknowledge(redis, 1)
    await read_acknowledged(redis)
    await diagnose(redis)
    await audit(redis)
    await forget(redis)


async def skip(redis: Redis) -> None:
    await DEPLOYMENT.check(redis)
    projection = projection_in(redis)
    await projection.checkpoints()
    gap = Gap(partition=PARTITION, cause="skipped", checkpoint=Offset(1), extent=EXTENT)
    await projection.rewind(PARTITION, expected=Offset(1), to=Offset(1), gap=gap)


async def diagnose(redis: Redis) -> None:
    """Send the commands of `headcount doctor`."""
    await redis.info()
    await redis.time()
    await redis.config_get("maxmemory-policy")
    await redis.acl_whoami()
    assert not await lacks_replay_rights(redis)


async def audit(redis: Redis) -> None:
    """Find a damaged counter and repair it, with counters that expire and with counters that do not."""
    shadow = ShadowProjection(redis, KEPT, PEOPLE, clock=lambda: NOW)
    await shadow.begin({PARTITION: Offset(0)})
    await shadow.apply(a_batch(None))
    others = Batch(
        partition=PARTITION,
        start=Offset(1),
        end=Offset(2),
        events=[
            Event("acme", NOW, "message", "bert"),
            Event("new", NOW, "message", "carl"),
            *a_batch(None, "others", counted_users=514).events,
        ],
    )
    await shadow.apply(others)
    states = [finding.state async for finding in shadow.compare()]
    await shadow.remove()
    assert set(states) >= {"incomplete", "missing"}
    await Repair(redis, KEPT, PEOPLE, clock=lambda: NOW).add(others.events[:1])
    await Repair(redis, FOR_EVER, PEOPLE, clock=lambda: NOW).add(others.events[1:])
    large = a_batch(None, "large", counted_users=513)
    await Repair(redis, FOR_EVER, PEOPLE, clock=lambda: NOW).add(large.events)


async def rebuild(redis: Redis) -> None:
    """Count a next generation and discard it; then count another one and switch over."""
    events = [*a_batch(None, counted_users=2).events, *a_batch(None, "others", counted_users=514).events]
    batch = Batch(partition=PARTITION, start=Offset(0), end=Offset(1), events=events)
    for calendar in (KEPT, FOR_EVER):
        counted_users = await read_counted_users(redis, PEOPLE)
        counter_config = CounterConfig(
            deployment=DEPLOYMENT, calendar=calendar, revision=counted_users.revision
        )
        async with rebuild_lock(redis) as token:
            next_generation = NextGeneration(
                redis, counter_config, counted_users, lock=token, clock=lambda: NOW
            )
            await next_generation.begin(accept_changes)
            await next_generation.start_partitions({PARTITION: Offset(0)})
            await next_generation.apply(batch if calendar is FOR_EVER else a_batch(None))
            assert [finding async for finding in next_generation.comparison().differences()]
            await (switch(redis, next_generation) if calendar is FOR_EVER else next_generation.discard())


async def switch(redis: Redis, next_generation: NextGeneration) -> None:
    async with writes_paused(redis):
        assert (await next_generation.checkpoints()).keys() == {PARTITION}
        assert await next_generation.switch()
    await next_generation.remove_former()


async def forget(redis: Redis) -> None:
    assert (await find(redis, "1", workspace_id="others")).estimates > 0
    assert await find(redis, "1", workspace_id="acme") == (0, 0)
    await record_forgotten(redis, "1", workspace_id="others")
    assert (await erase(redis, "1", workspace_id="others")).estimates > 0
    assert await erase(redis, "1", workspace_id="acme") == (0, 0)
    await record_remembered(redis, "1", workspace_id="others")


@asynccontextmanager
async def watched(guarded: Guarded) -> AsyncIterator[list[list[str]]]:
    """Yield a list that has, after the block, every command that a client sent or a script called."""
    seen: list[list[str]] = []
    async with guarded.client() as watcher, guarded.client() as other, watcher.monitor() as monitor:
        yield seen
        await other.echo("that is all")
        async for command in monitor.listen():
            words = command["command"].split(" ")
            if words[0] == "ECHO":
                return
            seen.append(words)


STEPS: Final[tuple[tuple[str, Callable[[Redis], Awaitable[None]]], ...]] = (
    ("worker", work_as_worker),
    ("api", work_as_api),
    ("operator", work_as_operator),
)


async def test_every_right_is_used_and_none_is_missing(guarded: Guarded) -> None:
    """Only an intruder would use a right that no process needs."""
    async with guarded.client() as administrator:
        await RedisTokenStore(administrator).add(make_token()[0])
    for user, work in STEPS:
        async with watched(guarded) as seen, guarded.client(user) as redis:
            await work(redis)
        commands = {name_of(words) for words in seen}
        arguments = {word for words in seen for word in words[1:]}
        granted = granted_to(user)
        assert (user, granted.commands - commands - UNSEEN) == (user, set())
        unused = {pattern for pattern in granted.patterns if not any(matches(arguments, pattern))}
        assert (user, unused) == (user, set())
    async with guarded.client() as administrator:
        assert await administrator.acl_log() == []


def matches(arguments: set[str], pattern: str) -> list[bool]:
    return [fnmatchcase(argument, pattern) for argument in arguments]


def name_of(words: list[str]) -> str:
    name = words[0].upper()
    return f"{name}|{words[1].upper()}" if name in CONTAINERS else name


HARMFUL: Final = (
    "FLUSHALL",
    "FLUSHDB",
    "SHUTDOWN",
    "KEYS *",
    "CONFIG SET maxmemory 1",
    "ACL LIST",
    "ACL SETUSER worker +@all",
    "SCRIPT FLUSH",
    "EVAL return(1) 0",
    "MONITOR",
    "REPLICAOF localhost 1",
    "SWAPDB 0 1",
    "SAVE",
    "GET another-applications-key",
    f"SET {TODAY} 0",
    f"RENAME {TODAY} {BUCKET}",
    f"RESTORE {TODAY} 0 x",
    f"DEL {keys.ONLY.tokens}",
    f"DEL {keys.ONLY.deployment}",
)
ANOTHERS: Final = {
    "worker": (
        f"HGET {keys.ONLY.tokens} x",
        f"HVALS {keys.ONLY.tokens}",
        f"HSET {keys.ONLY.tokens} x y",
        f"PFCOUNT {TODAY}",
        f"GET {TODAY}",
        f"SDIFF {TODAY} {BUCKET}",
        f"DEL {keys.ONLY.forgotten}",
        f"GET {keys.ONLY.rebuild_lock}",
        "CONFIG GET *",
    ),
    "api": (
        f"PFADD {TODAY} x",
        f"PFADD {keys.REQUESTS}:x x",
        f"HSET {keys.FIRST.checkpoints} x 1",
        f"HSET {keys.ONLY.tokens} x y",
        f"HDEL {keys.ONLY.tokens} x",
        f"INCRBY {TODAY} 1",
        f"EXPIRE {TODAY} 1",
        f"DEL {TODAY}",
        f"HGETALL {keys.ONLY.deployment}",
        f"LRANGE {keys.ONLY.gaps} 0 -1",
        f"SMEMBERS {keys.ONLY.forgotten}",
        "INFO",
        "SCAN 0",
    ),
    "operator": (
        f"DEL {keys.ONLY.forgotten}",
        f"HDEL {keys.FIRST.checkpoints} x",
        f"UNLINK {keys.ONLY.deployment}",
        f"PFMERGE {TODAY} {BUCKET}",
        f"HDEL {keys.ONLY.tokens} x",
    ),
    "health": (f"GET {TODAY}", "INFO"),
}


@pytest.mark.parametrize("user", PARTS)
async def test_harmful_commands_are_denied_to_all_users(guarded: Guarded, user: str) -> None:
    async with guarded.client(user) as redis:
        assert [command for command in HARMFUL if not await is_refused(redis, command)] == []


@pytest.mark.parametrize("user", sorted(ANOTHERS))
async def test_commands_of_another_process_are_denied(guarded: Guarded, user: str) -> None:
    async with guarded.client(user) as redis:
        assert [command for command in ANOTHERS[user] if not await is_refused(redis, command)] == []


async def is_refused(redis: Redis, command: str) -> bool:
    try:
        await send(redis, command)
    except NoPermissionError:
        return True
    except ResponseError:
        return False
    return False


async def send(redis: Redis, command: str) -> object:
    answer: object = await redis.execute_command(*command.split(" "))  # type: ignore[no-untyped-call]
    return answer


@pytest.mark.parametrize(
    ("user", "key", "call"),
    [
        ("api", TODAY, "redis.call('PFADD', KEYS[1], 'x')"),
        ("api", keys.FIRST.checkpoints, "redis.call('HSET', KEYS[1], 'x', 1)"),
        ("worker", TODAY, "redis.call('PFCOUNT', KEYS[1])"),
        ("api", TODAY, "redis.call('DEL', KEYS[1])"),
    ],
)
async def test_a_script_has_only_the_rights_of_its_user(
    guarded: Guarded, user: str, key: str, call: str
) -> None:
    async with guarded.client(user) as redis:
        with pytest.raises(ResponseError, match="ACL failure in script"):
            await redis.register_script(f"return {call}")(keys=[key])


async def test_a_missing_user_or_a_wrong_password_is_rejected(guarded: Guarded) -> None:
    address = guarded.url.rpartition("@")[2]
    for credentials in ("", ":x@", "worker:@", "worker:x@", "default:x@", "default:@", "admin:x@"):
        async with Redis.from_url(f"redis://{credentials}{address}") as redis:
            with pytest.raises(AuthenticationError):
                await send(redis, "PING")


async def test_a_health_check_needs_no_password(guarded: Guarded) -> None:
    address = guarded.url.rpartition("@")[2]
    async with Redis.from_url(f"redis://health:any@{address}") as redis:
        assert await send(redis, "PING")
