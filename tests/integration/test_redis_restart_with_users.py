"""A restart of a Redis with the shipped users: the append-only file brings back all that was written."""

import os
import shutil
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import pytest
from redis.asyncio import Redis
from redis.exceptions import AuthenticationError

from api.store.tokens import RedisTokenStore
from embedded import EmbeddedValkey
from headcount.ops.doctor.rights import lacks_replay_rights
from ingest.batch import Batch, Offset, Partition
from ingest.events.event import Event
from ingest.ports import Extent, LogState
from projector.calendar import Calendar
from projector.checkpoints import read_progress
from projector.deployment import Deployment
from projector.projection import RedisProjection
from projector.views.daily import RedisView
from tests.support.fakes_api import make_token
from tests.support.people import PEOPLE
from tests.support.redis_users import administrator_url, make_users, url_as, write_users
from tests.support.servers import Servers

DEBIAN: Final = "Debian's redis-server"
VALKEY: Final = "Valkey"
NOW: Final = datetime.now(UTC)
PARTITION: Final = Partition("activity", 0)
CALENDAR: Final = Calendar(time_zone=ZoneInfo("UTC"), retention_days=400, bucket_retention_days=45)
DEPLOYMENT: Final = Deployment(topic="activity", time_zone="UTC", user_id_hash_key=None)
INSTALL: Final = "redis-server is missing; on Debian: apt-get install --no-install-recommends redis-server"


class InstalledRedis(EmbeddedValkey):
    """The machine's own redis-server, run as the embedded Valkey is."""

    name = "redis"

    async def _prepare(self) -> Sequence[str]:
        _, *arguments = await super()._prepare()
        return ["redis-server", *arguments]


@pytest.fixture(params=[DEBIAN, VALKEY])
def servers(request: pytest.FixtureRequest, homes: Iterator[Path]) -> Iterator[Servers[EmbeddedValkey]]:
    if request.param == DEBIAN and not shutil.which("redis-server"):
        if os.environ.get("CI"):
            pytest.fail(INSTALL)
        pytest.skip(INSTALL)
    private = Servers(InstalledRedis if request.param == DEBIAN else EmbeddedValkey, homes)
    yield private
    private.kill()


@pytest.fixture
async def server(servers: Servers[EmbeddedValkey], tmp_path: Path) -> EmbeddedValkey:
    return await servers.start(options={"aclfile": str(make_users(tmp_path / "users"))})


def client_of(server: EmbeddedValkey, user: str = "admin", *, database: int = 0) -> Redis:
    url = url_as(user, administrator_url(f"127.0.0.1:{server.port}"))
    return Redis.from_url(url.removesuffix("/0") + f"/{database}")


async def count_one(redis: Redis) -> None:
    projection = RedisProjection(redis, CALENDAR, PEOPLE, deployment=DEPLOYMENT, clock=lambda: NOW)
    await projection.claim()
    await projection.begin(LogState("one", {PARTITION: Extent(Offset(0), Offset(9))}))
    await projection.checkpoints()
    event = Event("acme", NOW, "message", "anna")
    batch = Batch(partition=PARTITION, start=Offset(0), end=Offset(1), events=[event], as_of=NOW)
    assert await projection.apply(batch) == 1


async def test_scripts_and_transactions_survive_a_restart(server: EmbeddedValkey) -> None:
    async with client_of(server, "worker") as worker, client_of(server, "operator") as operator:
        await count_one(worker)
        await RedisTokenStore(operator).add(make_token()[0])
        before = await read_progress(operator)
    await server.stop()
    await server.start()
    async with client_of(server, "operator") as operator, client_of(server, "api") as api:
        assert await read_progress(operator) == before
        assert before.checkpoints == {PARTITION: 1}
        assert (await RedisView(api).daily_counts("acme", [NOW.date()])).users == [1]
        assert len(await RedisTokenStore(operator).list()) == 1


async def test_nobody_is_let_in_without_a_password(server: EmbeddedValkey) -> None:
    async with Redis(port=server.port, protocol=2) as redis:
        with pytest.raises(AuthenticationError, match="Authentication required"):
            await redis.get("headcount")
    for password in ("", "any"):
        async with Redis(port=server.port, protocol=2, username="default", password=password) as redis:
            with pytest.raises(AuthenticationError):
                await redis.get("headcount")


async def test_the_parts_may_use_a_database_of_their_own(server: EmbeddedValkey) -> None:
    async with (
        client_of(server, "worker", database=1) as worker,
        client_of(server, "api", database=1) as api,
        client_of(server, "operator", database=1) as operator,
        client_of(server) as other,
    ):
        await count_one(worker)
        assert (await RedisView(api).daily_counts("acme", [NOW.date()])).users == [1]
        assert (await read_progress(operator)).checkpoints == {PARTITION: 1}
        assert await other.dbsize() == 0


async def test_a_password_is_changed_without_a_stop(server: EmbeddedValkey, tmp_path: Path) -> None:
    """As docs/how-to/operate.md has it: add the new password, restart the parts, remove the old one."""
    new = "another-made-up-password"
    folder = tmp_path / "users"
    async with (
        client_of(server) as admin,
        Redis(port=server.port, username="worker", password=new) as changed,
        client_of(server, "worker") as old,
    ):
        await admin.execute_command("ACL", "SETUSER", "worker", f">{new}")  # type: ignore[no-untyped-call]
        assert await changed.time()
        assert await old.time()
        (folder / "redis-worker").write_text(new)
        write_users(folder)
        await admin.acl_load()
        assert await changed.time()
    async with client_of(server, "worker") as old:
        with pytest.raises(AuthenticationError):
            await old.time()


@pytest.mark.parametrize(
    ("rights", "lacks"), [("~* &* +@all", False), ("", True), ("~* &* +@all -exec", True)]
)
async def test_the_operator_finds_a_default_user_without_rights(
    server: EmbeddedValkey, rights: str, *, lacks: bool
) -> None:
    async with client_of(server) as admin, client_of(server, "operator") as operator:
        await admin.execute_command("ACL", "SETUSER", "default", "reset", *rights.split())  # type: ignore[no-untyped-call]
        assert await lacks_replay_rights(operator) is lacks
