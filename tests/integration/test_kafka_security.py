"""Kafka over TLS and with logins: what gets in, which rights it needs, and what is told to what does not."""

import asyncio
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import psutil
import pytest
from aiokafka.protocol.admin import CreateAclsRequest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from headcount import tls
from headcount.preflight.connections import admin_client, create_topics
from headcount.wiring import Config, load_config
from ingest.errors import OperatorError
from projector import keys
from tests.faults.proxy import Proxy
from tests.support.deployment import Deployment, event
from tests.support.secured_kafka import USER, SecuredKafka
from tests.support.servers import running
from tests.support.waiting import wait_until

TOPIC, GROUP = 2, 3
READ, WRITE = 3, 4
LITERAL, ALLOW, DENY = 3, 3, 2


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredKafka]:
    with running(SecuredKafka(tmp_path_factory.mktemp("secured"))) as kafka:
        yield kafka


def by(protocol: str) -> dict[str, str]:
    return {"KAFKA_SECURITY_PROTOCOL": protocol}


def own(kafka: SecuredKafka, name: str, key: str | None = None) -> dict[str, str]:
    """Return the settings of a certificate of our own."""
    return {
        "KAFKA_SSL_CERTIFICATE_LOCATION": str(kafka.certificates.certificate(name)),
        "KAFKA_SSL_KEY_LOCATION": str(kafka.certificates.key(key or name)),
    }


async def refusal(environment: Mapping[str, str]) -> str:
    with pytest.raises(OperatorError) as caught:
        async with admin_client(load_config(environment)):
            pass
    # aiokafka leaves a connection that failed to close by itself.
    await wait_until(lambda: not connections_to(environment), message="every connection was closed")
    return str(caught.value)


def connections_to(environment: Mapping[str, str]) -> list[object]:
    port = int(environment["KAFKA_BOOTSTRAP_SERVERS"].rpartition(":")[2])
    connections = psutil.Process().net_connections("tcp")
    return [each for each in connections if each.raddr and each.raddr.port == port]


@pytest.mark.parametrize("listener", ["CLIENT", "TLS", "LOGIN", "PLAIN_LOGIN"])
async def test_what_is_set_right_gets_in(kafka: SecuredKafka, listener: str) -> None:
    async with admin_client(load_config(kafka.environment(listener))) as admin:
        assert (await admin.describe_cluster())["brokers"]


async def test_a_certificate_of_our_own_gets_in(kafka: SecuredKafka) -> None:
    async with admin_client(load_config(kafka.environment("MUTUAL", **own(kafka, "client")))) as admin:
        assert (await admin.describe_cluster())["brokers"]


@pytest.mark.parametrize(
    ("listener", "changed", "sentence"),
    [
        ("MISNAMED", {}, "is not accepted: IP address mismatch"),
        ("EXPIRED", {}, "is not accepted: certificate has expired. Renew it"),
        (
            "LOGIN",
            {"KAFKA_SSL_CA_LOCATION": ""},
            "Set KAFKA_SSL_CA_LOCATION to the certificate of the authority",
        ),
        ("MUTUAL", {}, "Set KAFKA_SSL_CERTIFICATE_LOCATION and KAFKA_SSL_KEY_LOCATION"),
        ("LOGIN", {"KAFKA_SASL_PASSWORD": "hunter2"}, "does not accept KAFKA_SASL_USERNAME"),
        ("LOGIN", {"KAFKA_SASL_USERNAME": "hunter2"}, "does not accept KAFKA_SASL_USERNAME"),
        ("LOGIN", {"KAFKA_SASL_MECHANISM": "PLAIN"}, "does not support PLAIN: set KAFKA_SASL_MECHANISM"),
        ("LOGIN", by("PLAINTEXT"), "uses TLS: set KAFKA_SECURITY_PROTOCOL to SSL"),
        ("LOGIN", by("SASL_PLAINTEXT"), "uses TLS: set KAFKA_SECURITY_PROTOCOL to SASL_SSL"),
        ("LOGIN", by("SSL"), "requires a login: set KAFKA_SECURITY_PROTOCOL to SASL_SSL"),
        ("PLAIN_LOGIN", by("PLAINTEXT"), "requires a login: set KAFKA_SECURITY_PROTOCOL to SASL_PLAINTEXT"),
        ("TLS", by("SASL_SSL"), "supports no login at that port: set KAFKA_SECURITY_PROTOCOL to SSL"),
        ("TLS", by("PLAINTEXT"), "uses TLS: set KAFKA_SECURITY_PROTOCOL to SSL"),
        ("CLIENT", by("SSL"), "does not use TLS: set KAFKA_SECURITY_PROTOCOL to PLAINTEXT"),
        ("CLIENT", by("SASL_SSL"), "does not use TLS: set KAFKA_SECURITY_PROTOCOL to SASL_PLAINTEXT"),
    ],
)
async def test_what_is_set_wrong_is_told_with_what_to_do(
    kafka: SecuredKafka, listener: str, changed: dict[str, str], sentence: str
) -> None:
    told = await refusal(kafka.environment(listener, **changed))
    assert sentence in told
    assert "hunter2" not in told
    assert "\n" not in told


async def test_an_authority_that_did_not_make_it_out_is_told(kafka: SecuredKafka) -> None:
    stranger = {"KAFKA_SSL_CA_LOCATION": str(kafka.certificates.stranger)}
    assert "Set KAFKA_SSL_CA_LOCATION" in await refusal(kafka.environment("TLS", **stranger))


async def test_a_certificate_that_kafka_does_not_trust_is_told(kafka: SecuredKafka) -> None:
    told = await refusal(kafka.environment("MUTUAL", **own(kafka, "uninvited")))
    assert "Kafka does not accept the client certificate" in told


async def test_a_key_of_another_certificate_is_told(kafka: SecuredKafka) -> None:
    told = await refusal(kafka.environment("TLS", **own(kafka, "client", key="good")))
    assert "key values mismatch. They must contain a certificate and its private key in PEM format" in told


@pytest.mark.parametrize("name", ["CA", "CERTIFICATE"])
async def test_a_file_that_is_no_pem_is_told(kafka: SecuredKafka, tmp_path: Path, name: str) -> None:
    (tmp_path / "no.pem").write_text("no PEM")
    files = {**own(kafka, "client"), f"KAFKA_SSL_{name}_LOCATION": str(tmp_path / "no.pem")}
    assert f"KAFKA_SSL_{name}_LOCATION" in await refusal(kafka.environment("TLS", **files))


async def test_a_key_may_be_encrypted(kafka: SecuredKafka) -> None:
    files = {
        **own(kafka, "client"),
        "KAFKA_SSL_KEY_LOCATION": str(kafka.certificates.encrypted_key("client", "hunter2")),
    }
    config = load_config(kafka.environment("MUTUAL", **files, KAFKA_SSL_KEY_PASSWORD="hunter2"))
    async with admin_client(config) as admin:
        assert (await admin.describe_cluster())["brokers"]
    for wrong in ("", "hunter3"):  # nobody is asked at the terminal
        config = load_config(kafka.environment("MUTUAL", **files, KAFKA_SSL_KEY_PASSWORD=wrong))
        with pytest.raises(OperatorError, match="KAFKA_SSL_KEY_PASSWORD if the key is encrypted"):
            tls.context(config, "KAFKA")


class CountingProxy(Proxy):
    """Counts the connections it is asked for."""

    connections = 0

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        await super()._accept(reader, writer)


@pytest.mark.parametrize(
    ("listener", "changed"),
    [
        ("EXPIRED", {}),
        ("LOGIN", {"KAFKA_SASL_PASSWORD": "hunter2"}),
        ("LOGIN", by("PLAINTEXT")),
        ("CLIENT", by("SSL")),
    ],
)
async def test_a_start_that_is_not_let_in_ends_after_a_few_tries(
    kafka: SecuredKafka, redis_url: str, redis_client: Redis, listener: str, changed: dict[str, str]
) -> None:
    proxy = CountingProxy(int(kafka.address_of(listener).rpartition(":")[2]))
    await proxy.start()
    environment = kafka.environment(
        listener,
        KAFKA_BOOTSTRAP_SERVERS=f"127.0.0.1:{proxy.port}",
        REDIS_URL=redis_url,
        LOG_LEVEL="error",
        WORKER_METRICS_PORT="off",
        **changed,
    )
    ended = await Deployment(dict(environment)).program("worker", user="worker")
    await proxy.stop()
    assert (ended.exit_code, ended.stdout) == (1, b"")
    assert ended.stderr.splitlines()[-1].startswith("headcount: Kafka")
    assert "hunter2" not in ended.stderr
    assert "Traceback" not in ended.stderr
    assert proxy.connections <= 5


@pytest.fixture
def config(kafka: SecuredKafka, topic: str) -> Config:
    """Return those of the broker's administrator."""
    return load_config({**kafka.environment("CLIENT"), "KAFKA_TOPIC": topic, "KAFKA_GROUP_ID": topic})


# As docs/explanation/security.md lists them.
WORKER: Final = ((TOPIC, "", READ), (TOPIC, ".dlq", WRITE), (TOPIC, ".erasures", READ), (GROUP, "", READ))


async def grant(config: Config, *rights: tuple[int, str, int], allow: bool = True) -> None:
    async with admin_client(config) as admin:
        for resource, suffix, operation in rights:
            name = config.kafka.topic + suffix
            permission = ALLOW if allow else DENY
            request = CreateAclsRequest(resource, name, LITERAL, f"User:{USER}", "*", operation, permission)
            response = await admin._send_request(request)
            assert [code for code, _message in response.creation_responses] == [0]


@pytest.fixture
async def deployment(
    kafka: SecuredKafka, config: Config, topic: str, redis_url: str, redis_client: Redis
) -> Deployment:
    """Return a deployment that logs in, on topics that there are."""
    await create_topics(config)
    environment = kafka.environment("LOGIN", KAFKA_TOPIC=topic, KAFKA_GROUP_ID=topic, REDIS_URL=redis_url)
    return Deployment(dict(environment))


async def test_a_worker_needs_no_more_than_the_documented_rights(
    deployment: Deployment, config: Config
) -> None:
    await grant(config, *WORKER)
    administrator = deployment.with_settings(
        KAFKA_SECURITY_PROTOCOL="PLAINTEXT", KAFKA_BOOTSTRAP_SERVERS=config.kafka.bootstrap_servers
    )
    await administrator.publish(event("anna"), b"no event")
    async with deployment.worker():
        await wait_until(administrator.is_caught_up, deadline_seconds=20, message="everything was counted")
    assert len(await administrator.read(config.kafka.topic + ".dlq")) == 1


async def test_a_worker_without_one_of_them_waits_and_says_once_for_which(
    deployment: Deployment, config: Config
) -> None:
    await grant(config, *(right for right in WORKER if right[0] != GROUP))
    with capture_logs() as lines:
        async with deployment.worker():
            await wait_until(lambda: lines, message="the worker had said what it waits for")
    (waiting, stopped) = [line for line in lines if line["log_level"] == "warning"]
    assert (waiting["event"], stopped["event"]) == ("waiting", "stopped while waiting")
    assert "GroupAuthorizationFailedError" in waiting["cause"]


async def test_a_worker_that_may_not_read_who_is_forgotten_counts_nobody(
    deployment: Deployment, config: Config, redis_client: Redis
) -> None:
    await grant(config, *WORKER)
    await grant(config, (TOPIC, ".erasures", READ), allow=False)
    administrator = deployment.with_settings(
        KAFKA_SECURITY_PROTOCOL="PLAINTEXT", KAFKA_BOOTSTRAP_SERVERS=config.kafka.bootstrap_servers
    )
    await administrator.publish(b"{}", topic=f"{config.kafka.topic}.erasures", key=b"acme:1")
    with capture_logs() as lines:
        async with deployment.worker():
            await wait_until(
                lambda: any(line["event"] == "waiting" for line in lines),
                message="the worker had said what it waits for",
            )
    (waiting,) = [line for line in lines if line["event"] == "waiting"]
    assert f"{config.kafka.topic}.erasures can't be read: TopicAuthorizationFailedError" in waiting["cause"]
    assert not await redis_client.exists(keys.FIRST.checkpoints)


async def test_topics_that_may_neither_be_seen_nor_made_are_told(deployment: Deployment) -> None:
    with pytest.raises(
        OperatorError, match=r"TopicAuthorizationFailedError. Create it, or grant the Kafka user the right"
    ):
        await create_topics(deployment.config)


async def test_a_command_without_a_right_says_so(deployment: Deployment) -> None:
    ended = await deployment.headcount("status")
    assert (ended.exit_code, ended.stdout) == (1, b"")
    assert ended.stderr.startswith("headcount: Kafka denies a right: GroupAuthorizationFailedError(")
    assert ended.stderr.endswith("docs/explanation/security.md lists the rights that are needed.\n")
