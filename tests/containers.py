"""Kafka and Redis in Docker, where an engine answers and has the images or can get them."""

import gc
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Final

import docker  # type: ignore[import-untyped]  # it ships no types
import requests
from docker.errors import DockerException, ImageNotFound  # type: ignore[import-untyped]
from testcontainers.core.config import testcontainers_config
from testcontainers.core.container import DockerContainer
from testcontainers.core.wait_strategies import LogMessageWaitStrategy

from headcount.embedded.ports import find_free_port

KAFKA_IMAGE: Final = "apache/kafka:4.3.1"  # as in compose.yaml
REDIS_IMAGE: Final = "valkey/valkey:9.1.4"

_STALLED_SECONDS: Final = 10
_REDIS_PORT: Final = 6379


def can_run(image: str) -> bool:
    """Tell whether Docker can run the image; soon, also when it has no way to get it."""
    with warnings.catch_warnings():
        # Where no engine is, the client leaves its socket to the collector, whose warning would hit tests
        warnings.simplefilter("ignore", ResourceWarning)
        answer = _can_run(image)
        gc.collect()
    return answer


def _can_run(image: str) -> bool:
    try:
        with closing(docker.from_env(timeout=_STALLED_SECONDS)) as client:
            _obtain(client, image)
            _obtain(client, testcontainers_config.ryuk_image)  # removes the containers of a killed test run
    except (DockerException, requests.RequestException):
        return False
    return True


@contextmanager
def kafka_container() -> Iterator[str]:
    """Run Kafka, yielding its bootstrap servers."""
    port = find_free_port()  # chosen before the start, since Kafka must be told its own address
    container = DockerContainer(KAFKA_IMAGE).with_bind_ports(port, port)
    host = container.get_docker_client().host()
    container.with_envs(**_kafka_settings(host, port)).waiting_for(
        LogMessageWaitStrategy("Kafka Server started")
    )
    with container:
        yield f"{host}:{port}"


@contextmanager
def redis_container() -> Iterator[str]:
    """Run Valkey, yielding its URL."""
    container = DockerContainer(REDIS_IMAGE).with_exposed_ports(_REDIS_PORT)
    container.with_command("valkey-server --appendonly yes --maxmemory-policy noeviction")
    with container.waiting_for(LogMessageWaitStrategy("Ready to accept connections")):
        yield f"redis://{container.get_container_host_ip()}:{container.get_exposed_port(_REDIS_PORT)}/0"


def _obtain(client: docker.DockerClient, image: str) -> None:
    try:
        client.images.get(image)
    except ImageNotFound:
        client.images.pull(image)


def _kafka_settings(host: str, port: int) -> dict[str, str]:
    return {
        "KAFKA_NODE_ID": "1",
        "KAFKA_PROCESS_ROLES": "broker,controller",
        "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
        "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@localhost:9093",
        "KAFKA_LISTENERS": f"CLIENT://:{port},CONTROLLER://localhost:9093",
        "KAFKA_ADVERTISED_LISTENERS": f"CLIENT://{host}:{port}",
        "KAFKA_INTER_BROKER_LISTENER_NAME": "CLIENT",
        "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "CLIENT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "KAFKA_AUTO_CREATE_TOPICS_ENABLE": "false",
        "KAFKA_LOG_RETENTION_MS": "-1",
        "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
        "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
        "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR": "1",
        "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
        "KAFKA_GROUP_MIN_SESSION_TIMEOUT_MS": "1000",
    }
