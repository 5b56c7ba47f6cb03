"""A Kafka that takes connections and answers nothing: nobody waits for it for long, and a stop not at all."""

import asyncio
import socket
from collections.abc import Iterator

import pytest

from headcount.worker import serve_worker
from tests.support.deployment import Deployment
from tests.support.mute import address_of, mute_server
from tests.support.waiting import wait_until, within

SENTENCE_SECONDS = 15.0
"""What the command itself may take, 5 s of waiting, and the start of a process on a busy machine."""


@pytest.fixture
def hung_kafka() -> Iterator[socket.socket]:
    with mute_server() as server:
        yield server


@pytest.fixture
def deployment(hung_kafka: socket.socket, redis_url: str) -> Deployment:
    return Deployment({"KAFKA_BOOTSTRAP_SERVERS": address_of(hung_kafka), "REDIS_URL": redis_url})


@pytest.mark.usefixtures("redis_client")
async def test_a_worker_that_waits_for_it_at_the_start_stops_when_asked(
    deployment: Deployment, hung_kafka: socket.socket
) -> None:
    stopping = asyncio.Event()
    serving = asyncio.create_task(serve_worker(deployment.worker_settings, stopping))
    loop = asyncio.get_running_loop()
    hung_kafka.setblocking(False)  # noqa: FBT003 - the library's signature
    connection, _ = await loop.sock_accept(hung_kafka)
    stopping.set()
    await wait_until(serving.done, deadline_seconds=4, message="the worker had ended")
    connection.close()
    await serving


@pytest.mark.parametrize("command", ["status", "audit"])
async def test_a_command_says_so_in_a_sentence(deployment: Deployment, command: str) -> None:
    async with within(SENTENCE_SECONDS):
        ended = await deployment.program(command)
    assert ended.exit_code != 0
    (line,) = ended.stderr.splitlines()
    assert line.startswith("headcount: Kafka at 127.0.0.1:")
    assert "does not answer" in line
