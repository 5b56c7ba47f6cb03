"""`headcount doctor` on real servers: those that are well, set up badly, or away."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pytest
from aiokafka.admin import NewTopic
from redis.asyncio import Redis

from api.store.tokens import RedisTokenStore
from embedded import EmbeddedValkey
from headcount.ops.doctor.finding import Finding
from headcount.ops.doctor.rights import COMMANDS, own_rights
from headcount.ops.doctor.run import gather, judge
from headcount.ops.status import read_status
from headcount.preflight.connections import admin_client
from headcount.wiring import Config, load_config, utc_now
from projector import keys
from tests.support.deployment import Deployment, deployed, event
from tests.support.fakes_api import make_token
from tests.support.redis_users import administrator_url, make_users, url_as
from tests.support.servers import Servers
from tests.support.waiting import wait_until

HOUR = str(3_600_000)


@pytest.fixture
async def deployment(
    kafka_bootstrap_servers: str, topic: str, redis_url: str, redis_client: Redis
) -> AsyncIterator[Deployment]:
    await RedisTokenStore(redis_client).add(make_token()[0])
    async with deployed(kafka_bootstrap_servers, topic, redis_url) as deployment:
        yield deployment


async def examined(config: Config, seconds: float = 7) -> Mapping[str, Finding]:
    return {finding.check: finding for finding in judge(await gather(config, seconds))}


def named(findings: Mapping[str, Finding], verdict: str) -> set[str]:
    return {check for check, finding in findings.items() if finding.verdict == verdict}


async def test_a_deployment_that_is_well_has_no_problem_for_its_operator(deployment: Deployment) -> None:
    await deployment.publish(event("anna"))
    async with deployment.worker():
        await wait_until(deployment.is_caught_up, message="everything was counted")
        ended = await deployment.program("doctor", "--json")
        findings = {each["check"]: each for each in orjson.loads(ended.stdout)["findings"]}
    assert (ended.exit_code, ended.stderr) == (0, "")
    assert {check for check, each in findings.items() if each["verdict"] not in {"ok", "unknown"}} <= {
        "Redis memory"  # without a limit, as tests' own is
    }
    assert [check for check, each in findings.items() if each["verdict"] == "unknown"] == [
        "Redis rights of others"
    ]
    assert findings["workers"]["found"] == "1 workers share 4 partitions."
    assert "The doctor's Redis user operator" in findings["Redis rights"]["found"]


async def test_nothing_is_written_and_no_refusal_is_noted(
    deployment: Deployment, redis_client: Redis
) -> None:
    """A queued command is never executed; and Redis' log of refusals is for intruders."""
    before = {key: await redis_client.dump(key) for key in await redis_client.keys()}
    await redis_client.acl_log_reset()
    assert (await examined(deployment.config))["Redis rights"].verdict == "ok"
    assert {key: await redis_client.dump(key) for key in await redis_client.keys()} == before
    assert await redis_client.acl_log() == []


@pytest.mark.parametrize("part", COMMANDS)
async def test_the_shipped_users_have_the_rights_that_are_looked_for(
    embedded_valkey: Servers[EmbeddedValkey], tmp_path: Path, part: str
) -> None:
    valkey = await embedded_valkey.start(options={"aclfile": str(make_users(tmp_path / "users"))})
    url = administrator_url(f"127.0.0.1:{valkey.port}")
    found = await examined(load_config({"REDIS_URL": url, "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"}))
    assert found["Redis rights"].verdict == "warning"
    assert found["Redis rights of others"].verdict == "ok"
    assert part in found["Redis rights of others"].found
    async with Redis.from_url(url) as administrator:
        await administrator.execute_command("ACL", "SETUSER", part, "clearselectors")  # type: ignore[no-untyped-call]
    found = await examined(load_config({"REDIS_URL": url, "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"}))
    assert found["Redis rights of others"].verdict == "problem"
    lacking = f"The Redis user {part} lacks rights that the {part} needs: EVALSHA"
    assert lacking in found["Redis rights of others"].found


async def test_an_operator_without_a_right_learns_which(
    embedded_valkey: Servers[EmbeddedValkey], tmp_path: Path
) -> None:
    valkey = await embedded_valkey.start(options={"aclfile": str(make_users(tmp_path / "users"))})
    url = administrator_url(f"127.0.0.1:{valkey.port}")
    async with Redis.from_url(url) as administrator:
        for right in ("-config|get", "clearselectors"):
            await administrator.execute_command("ACL", "SETUSER", "operator", right)  # type: ignore[no-untyped-call]
    config = load_config({"REDIS_URL": url_as("operator", url), "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"})
    found = await examined(config)
    assert found["Redis rights"].verdict == "problem"
    assert "CONFIG GET" in found["Redis rights"].found
    assert f"HSET {keys.ONLY.tokens}" in found["Redis rights"].found
    assert found["Redis sets"].verdict == "unknown"
    assert "users.acl" in str(found["Redis sets"].advice)
    async with Redis.from_url(url_as("operator", url)) as redis:
        assert (await own_rights(config, redis)).user == "operator"


@pytest.mark.parametrize(("user", "verdict"), [("worker", "ok"), ("api", "unknown")])
async def test_who_may_not_ask_for_a_name_goes_by_that_in_the_url(
    redis_url: str, redis_client: Redis, user: str, verdict: str
) -> None:
    """The API's user may not even queue commands, and learns that that is why nothing can be said."""
    url = url_as(user, redis_url)
    found = await examined(load_config({"REDIS_URL": url, "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"}))
    assert found["Redis rights"].verdict == verdict
    assert ("multi" in found["Redis rights"].found) == (user == "api")
    assert found["Redis sets"].verdict == "unknown"


BAD_REDIS = {
    "appendonly": "no",
    "maxmemory-policy": "allkeys-lru",
    "set-max-intset-entries": "64",
    "hll-sparse-max-bytes": "0",
    "min-replicas-to-write": "0",
}


async def test_a_redis_that_is_set_up_badly(embedded_valkey: Servers[EmbeddedValkey]) -> None:
    valkey = await embedded_valkey.start(options=BAD_REDIS)
    config = load_config({"REDIS_URL": valkey.url, "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"})
    async with Redis.from_url(valkey.url) as redis:
        await redis.hset(keys.ONLY.deployment, mapping={"topic": "another", "time_zone": "UTC"})
        token, _ = make_token(expires_at=utc_now() - timedelta(days=1))
        await RedisTokenStore(redis).add(token)
        # Large next to the connections' buffers; SETRANGE needs no large buffer itself.
        await redis.setrange("others", 20_000_000, "x")
        used = (await redis.info("memory"))["used_memory"]
        await redis.config_set("maxmemory", round(used / 0.85))
        found = await examined(config)
        assert named(found, "problem") >= {"Redis eviction", "deployment", "tokens", "Kafka"}
        assert named(found, "warning") >= {
            "Redis persistence",
            "Redis memory",
            "Redis sets",
            "Redis HyperLogLogs",
            "Redis rights",
        }
        await redis.config_set("min-replicas-to-write", 1)
        await redis.config_set("save", "3600 1")
        found = await examined(config)
        assert found["Redis replicas"].verdict == "problem"
        assert "It only takes snapshots" in found["Redis persistence"].found


async def test_a_replica_is_refused_and_a_master_tells_of_its_replicas(
    embedded_valkey: Servers[EmbeddedValkey],
) -> None:
    master, replica = await embedded_valkey.start(), await embedded_valkey.start()

    def config(server: EmbeddedValkey) -> Config:
        return load_config({"REDIS_URL": server.url, "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"})

    async with Redis.from_url(replica.url) as redis, Redis.from_url(master.url) as other:
        await redis.replicaof("127.0.0.1", master.port)

        async def is_online() -> bool:
            said = await other.info("replication")
            return isinstance(said.get("slave0"), dict) and said["slave0"]["state"] == "online"

        await wait_until(is_online, message="the replica follows")
    assert (await examined(config(replica)))["Redis role"].verdict == "problem"
    found = await examined(config(master))
    assert (found["Redis role"].verdict, found["Redis replicas"].verdict) == ("ok", "ok")
    assert "1 replicas" in found["Redis replicas"].found


async def create_bad_topics(config: Config) -> None:
    bad = {
        "retention.ms": HOUR,
        "retention.bytes": "1000000",
        "cleanup.policy": "compact,delete",
        "message.timestamp.type": "CreateTime",
    }
    async with admin_client(config) as admin:
        await admin.create_topics([NewTopic(config.kafka.topic, 1, 1, topic_configs=bad)])


async def test_a_topic_that_is_set_up_badly(
    kafka_bootstrap_servers: str, topic: str, redis_url: str, redis_client: Redis
) -> None:
    config = load_config(
        {
            "KAFKA_BOOTSTRAP_SERVERS": kafka_bootstrap_servers,
            "KAFKA_TOPIC": topic,
            "KAFKA_GROUP_ID": topic,
            "REDIS_URL": url_as("operator", redis_url),
        }
    )
    await create_bad_topics(config)
    found = await examined(config)
    assert named(found, "problem") == {
        "topics",
        "topic retention time",
        "topic clean-up",
        "workers",
        "tokens",
    }
    assert named(found, "warning") >= {"topic timestamps", "topic retention size", "lag"}
    assert f"{topic}.dlq" in found["topics"].found
    assert "kept for 1.0 hours" in found["topic retention time"].found
    assert named(found, "unknown") >= {"dead letters' clean-up", "dead letters", "Kafka clock"}


async def test_what_was_lost_or_refused_is_told_until_it_is_dealt_with(deployment: Deployment) -> None:
    await deployment.publish(event("anna"), b"poison", b"more poison", event("bert"))
    await deployment.count()
    await deployment.publish(event("carl"), event("dora"))
    await deployment.drop_records(up_to=5)
    await deployment.count()
    found = await examined(deployment.config)
    assert (found["gaps"].verdict, found["dead letters"].verdict) == ("problem", "warning")
    assert "2 dead letters wait" in found["dead letters"].found
    await deployment.headcount("gaps", "acknowledge")
    await deployment.headcount("dead-letters", "redrive", "--all", "--yes")
    found = await examined(deployment.config)
    assert (found["gaps"].verdict, found["dead letters"].verdict) == ("ok", "ok")


async def test_events_that_are_too_old_are_a_warning_with_their_cause(deployment: Deployment) -> None:
    assert (await examined(deployment.config))["expired events"].verdict == "ok"
    of_1970 = datetime.fromtimestamp(utc_now().timestamp() / 1000, UTC)
    await deployment.publish(*(event(f"user-{number}", of_1970) for number in range(50)))
    await deployment.count()
    found = (await examined(deployment.config))["expired events"]
    assert found.verdict == "warning"
    assert "in no counter: seconds-for-milliseconds 50, the last read at " in found.found
    assert found.advice == (
        "A producer uses seconds as milliseconds: multiply by 1,000 before deriving occurred_at."
    )


async def test_more_workers_than_partitions_are_idle(deployment: Deployment) -> None:
    lone = deployment.with_settings(KAFKA_TOPIC=f"{deployment.config.kafka.topic}-lone")
    async with admin_client(lone.config) as admin:
        await admin.create_topics([NewTopic(lone.config.kafka.topic, 1, 1)])

    async def both_are_members() -> bool:
        return (await read_status(lone.config)).workers == 2

    async with lone.worker(), lone.worker():
        await wait_until(both_are_members, deadline_seconds=20, message="both workers are members")
        found = await examined(lone.config)
    assert found["workers"].verdict == "warning"
    assert "2 workers share 1 partitions: 1 of them are idle standbys" in found["workers"].found


async def test_servers_that_take_connections_and_say_nothing_are_given_up() -> None:
    async with await asyncio.start_server(say_nothing, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        config = load_config(
            {"REDIS_URL": f"redis://127.0.0.1:{port}", "KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{port}"}
        )
        found = await examined(config, seconds=2)
    assert named(found, "problem") == {"Redis", "Kafka"}
    assert "no answer within 2 s" in found["Kafka"].found


async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()
    writer.close()
