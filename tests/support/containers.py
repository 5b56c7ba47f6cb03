"""Kafka and Redis in Docker, where an engine answers and has the images or can get them."""

import gc
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

import docker  # type: ignore[import-untyped]  # it ships no types
import requests
from docker.errors import DockerException, ImageNotFound  # type: ignore[import-untyped]
from testcontainers.core.config import testcontainers_config
from testcontainers.core.container import DockerContainer
from testcontainers.core.wait_strategies import LogMessageWaitStrategy

from tests.support.waiting import scaled

KAFKA_IMAGE: Final = "apache/kafka:4.3.1"  # as in compose.yaml
REDIS_IMAGE: Final = "valkey/valkey:9.1.4"

_STALLED_SECONDS: Final = 10
_KAFKA_PORT: Final = 9092
_REDIS_PORT: Final = 6379
_KAFKA_SETTINGS: Final = {
    "KAFKA_NODE_ID": "1",
    "KAFKA_PROCESS_ROLES": "broker,controller",
    "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
    "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@localhost:9093",
    "KAFKA_LISTENERS": f"CLIENT://:{_KAFKA_PORT},CONTROLLER://localhost:9093",
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
# Kafka must be told the address that its clients use, which Docker chooses once the container is there.
_START_ONCE_ADDRESSED: Final = """
until [ -s /tmp/address ]; do sleep 0.1; done
KAFKA_ADVERTISED_LISTENERS=$(cat /tmp/address) exec /etc/kafka/docker/run
"""


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
        with closing(docker.from_env(timeout=round(scaled(_STALLED_SECONDS)))) as client:
            _obtain(client, image)
            if not testcontainers_config.ryuk_disabled:
                _obtain(client, testcontainers_config.ryuk_image)  # removes what a killed test run has left
    except (DockerException, requests.RequestException):
        return False
    return True


@contextmanager
def kafka_container() -> Iterator[str]:
    """Run Kafka, yielding its bootstrap servers."""
    container = DockerContainer(KAFKA_IMAGE).with_exposed_ports(_KAFKA_PORT).with_envs(**_KAFKA_SETTINGS)
    with container.with_command(["sh", "-c", _START_ONCE_ADDRESSED]):
        address = _address(container, _KAFKA_PORT)
        container.exec(["sh", "-c", f"echo CLIENT://{address} > /tmp/address"])
        LogMessageWaitStrategy("Kafka Server started").wait_until_ready(container)
        yield address


@contextmanager
def redis_container(users: Path) -> Iterator[str]:
    """Run Valkey with the users of an ACL file, yielding its address."""
    container = DockerContainer(REDIS_IMAGE).with_exposed_ports(_REDIS_PORT)
    container.with_volume_mapping(str(users), "/etc/users.acl")
    container.with_command(
        "valkey-server --protected-mode no --appendonly yes --maxmemory-policy noeviction "
        "--aclfile /etc/users.acl"
    )
    with container.waiting_for(LogMessageWaitStrategy("Ready to accept connections")):
        yield _address(container, _REDIS_PORT)


def _address(container: DockerContainer, port: int) -> str:
    return f"{container.get_container_host_ip()}:{container.get_exposed_port(port)}"


def _obtain(client: docker.DockerClient, image: str) -> None:
    try:
        client.images.get(image)
    except ImageNotFound:
        client.images.pull(image)
