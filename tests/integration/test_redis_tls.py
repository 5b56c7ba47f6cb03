"""Redis over TLS, and with passwords: what gets in, and what is told to what does not."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from embedded import EmbeddedValkey
from headcount.clients import worker_redis
from headcount.preflight.redis import check_redis_login
from headcount.wiring import load_config
from ingest.errors import OperatorError
from tests.support.deployment import Deployment, deployed, event
from tests.support.people import KEY
from tests.support.redis_users import administrator_url, make_users, password_of
from tests.support.secured_kafka import Certificates, make_certificates
from tests.support.servers import Servers
from tests.support.tls_proxy import TlsProxy, tls_before
from tests.support.waiting import wait_until


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
async def valkey(embedded_valkey: Servers[EmbeddedValkey], tmp_path: Path) -> EmbeddedValkey:
    return await embedded_valkey.start(options={"aclfile": str(make_users(tmp_path / "users"))})


@pytest.fixture
async def proxy(valkey: EmbeddedValkey, certificates: Certificates) -> AsyncIterator[TlsProxy]:
    async with tls_before(valkey.port, certificates, "good") as proxy:
        yield proxy


def environment(
    port: int, certificates: Certificates, *, scheme: str = "rediss", **changed: str
) -> dict[str, str]:
    return {
        "REDIS_URL": f"{scheme}://worker@127.0.0.1:{port}/0",
        "REDIS_PASSWORD": password_of("worker"),
        "REDIS_SSL_CA_LOCATION": str(certificates.authority),
        **changed,
    }


def own(certificates: Certificates, name: str, key: str | None = None) -> dict[str, str]:
    return {
        "REDIS_SSL_CERTIFICATE_LOCATION": str(certificates.certificate(name)),
        "REDIS_SSL_KEY_LOCATION": str(certificates.key(key or name)),
    }


async def enter(environ: dict[str, str]) -> int:
    """Enter as a worker does; return Redis' time in seconds."""
    config = load_config(environ)
    async with worker_redis(config) as redis:
        await check_redis_login(redis, config)
        seconds, _microseconds = await redis.time()
        return int(seconds)


async def refusal(environ: dict[str, str]) -> str:
    with pytest.raises(OperatorError) as caught:
        await enter(environ)
    assert "made-up" not in str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


async def test_tls_gets_in(proxy: TlsProxy, certificates: Certificates) -> None:
    assert await enter(environment(proxy.port, certificates))


async def test_a_client_certificate_is_accepted(valkey: EmbeddedValkey, certificates: Certificates) -> None:
    async with tls_before(valkey.port, certificates, "good", asks=True) as proxy:
        assert await enter(environment(proxy.port, certificates, **own(certificates, "client")))
        for files in ({}, own(certificates, "uninvited")):
            told = await refusal(environment(proxy.port, certificates, **files))
            assert "and REDIS_SSL_KEY_LOCATION to a certificate that it trusts" in told


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("misnamed", "is not accepted: IP address mismatch"),
        ("expired", "is not accepted: certificate has expired. Renew it"),
    ],
)
async def test_a_certificate_that_is_wrong_is_told(
    valkey: EmbeddedValkey, certificates: Certificates, name: str, sentence: str
) -> None:
    async with tls_before(valkey.port, certificates, name) as proxy:
        assert sentence in await refusal(environment(proxy.port, certificates))


async def test_an_unknown_authority_is_told(proxy: TlsProxy, certificates: Certificates) -> None:
    for authority in ("", str(certificates.stranger)):
        told = await refusal(environment(proxy.port, certificates, REDIS_SSL_CA_LOCATION=authority))
        assert "Set REDIS_SSL_CA_LOCATION to the certificate of the authority that issued it." in told


async def test_a_key_of_another_certificate_is_told(proxy: TlsProxy, certificates: Certificates) -> None:
    files = own(certificates, "client", key="good")
    assert "can't be used: key values mismatch" in await refusal(
        environment(proxy.port, certificates, **files)
    )


async def test_plain_text_to_a_port_for_tls_is_told(proxy: TlsProxy, certificates: Certificates) -> None:
    told = await refusal(environment(proxy.port, certificates, scheme="redis"))
    assert told == (f"Redis at 127.0.0.1:{proxy.port} uses TLS: use rediss:// in REDIS_URL, or another port.")


async def test_tls_to_a_port_for_plain_text_is_told(
    valkey: EmbeddedValkey, certificates: Certificates
) -> None:
    told = await refusal(environment(valkey.port, certificates))
    assert told.startswith(f"Redis at 127.0.0.1:{valkey.port} does not use TLS: use redis:// in REDIS_URL,")


async def test_a_start_with_a_wrong_password_ends_after_one_try(
    proxy: TlsProxy, certificates: Certificates
) -> None:
    environ = environment(proxy.port, certificates, REDIS_PASSWORD="made-up", WORKER_METRICS_PORT="off")
    for part in ("worker", "api"):
        before = proxy.connections
        ended = await Deployment(
            {**environ, "USER_ID_HASH_KEY": KEY, "API_METRICS_PORT": "off", "HTTP_PORT": "0"}
        ).program(part, user="worker")
        assert (ended.exit_code, ended.stdout) == (1, b"")
        (line,) = ended.stderr.splitlines()
        assert line.startswith("headcount: Redis does not accept the user and the password in REDIS_URL")
        assert proxy.connections == before + 1


@pytest.mark.parametrize(
    ("part", "taken", "named"),
    [("worker", "-info", "run the 'info' command"), ("api", "-hmget", "run the 'hmget' command")],
)
async def test_a_start_without_a_right_is_refused(
    valkey: EmbeddedValkey, part: str, taken: str, named: str
) -> None:
    async with administrator(valkey) as redis:
        await send(redis, "ACL", "SETUSER", part, "clearselectors", taken)
    url = administrator_url(f"127.0.0.1:{valkey.port}")
    environ = {"REDIS_URL": url, "WORKER_METRICS_PORT": "off", "API_METRICS_PORT": "off", "HTTP_PORT": "0"}
    ended = await Deployment({**environ}).program(part, user=part)
    assert (ended.exit_code, ended.stdout) == (1, b"")
    (line,) = ended.stderr.splitlines()
    assert f"User {part} has no permissions to {named}" in line
    assert "Give the user in REDIS_URL its rights, as in deploy/redis/users.acl" in line


@pytest.fixture
async def deployment(
    kafka_bootstrap_servers: str, topic: str, valkey: EmbeddedValkey
) -> AsyncIterator[Deployment]:
    url = administrator_url(f"127.0.0.1:{valkey.port}")
    async with deployed(kafka_bootstrap_servers, topic, url) as deployment:
        yield deployment


async def test_a_worker_whose_password_is_changed_waits_until_it_fits_again(
    deployment: Deployment, valkey: EmbeddedValkey
) -> None:
    async with administrator(valkey) as redis, deployment.worker():
        await wait_until(deployment.is_caught_up, deadline_seconds=20, message="the worker was at work")
        with capture_logs() as lines:
            await send(redis, "ACL", "SETUSER", "worker", "resetpass", ">another")
            await send(redis, "CLIENT", "KILL", "USER", "worker")
            await wait_until(lambda: rejected(redis, 3), message="it had tried to log in a few times")
            await send(redis, "ACL", "SETUSER", "worker", f">{password_of('worker')}")
            await deployment.publish(event("anna"))
            await wait_until(deployment.is_caught_up, message="the worker was at work again")
    causes = [line["cause"] for line in lines if line["event"] == "waiting"]
    assert len(causes) == 1
    assert "AuthenticationError" in causes[0]


async def test_a_worker_whose_right_is_taken_waits_until_it_is_back(
    deployment: Deployment, valkey: EmbeddedValkey
) -> None:
    async with administrator(valkey) as redis, deployment.worker():
        await wait_until(deployment.is_caught_up, deadline_seconds=20, message="the worker was at work")
        with capture_logs() as lines:
            await send(redis, "ACL", "SETUSER", "worker", "clearselectors")
            await deployment.publish(event("anna"))
            await wait_until(lambda: lines, message="the worker had said what it waits for")
            await send(redis, "ACL", "LOAD")
            await wait_until(deployment.is_caught_up, message="the worker was at work again")
    causes = [line["cause"] for line in lines if line["event"] == "waiting"]
    assert len(causes) == 1
    assert "User worker has no permissions to run the 'evalsha' command" in causes[0]


async def rejected(redis: Redis, times: int) -> bool:
    """Tell whether so many logins failed."""
    entries: list[dict[str, Any]] = await redis.acl_log()
    return sum(int(each["count"]) for each in entries if each["reason"] == "auth") >= times


async def send(redis: Redis, *command: str) -> None:
    await redis.execute_command(*command)  # type: ignore[no-untyped-call]


@asynccontextmanager
async def administrator(valkey: EmbeddedValkey) -> AsyncIterator[Redis]:
    async with Redis.from_url(administrator_url(f"127.0.0.1:{valkey.port}")) as redis:
        yield redis
