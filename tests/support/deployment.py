"""A deployment on the servers that tests share: a topic of its own, workers in turn, and the command line."""

import asyncio
import logging
import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson
import structlog
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import MessageSizeTooLargeError
from typer.testing import CliRunner

from headcount.cli import app
from headcount.ops.status import read_status
from headcount.preflight.connections import admin_client, create_topics, open_log
from headcount.wiring import Config, load_config
from headcount.worker import serve_worker
from ingest.batch import Partition
from ingest.errors import UnavailableError
from ingest.ports import Headers, Record
from tests.support.people import KEY
from tests.support.redis_users import url_as
from tests.support.waiting import wait_until


def event(user_id: str, occurred_at: datetime | None = None, **fields: Any) -> bytes:  # noqa: ANN401 - any JSON
    """Return the value of an event, of now if not told otherwise."""
    instant = (occurred_at or datetime.now(UTC)).isoformat()
    return orjson.dumps(
        {"workspace_id": "acme", "user_id": user_id, "type": "message", "occurred_at": instant, **fields}
    )


@dataclass(frozen=True, slots=True)
class Ended:
    """A command that has ended."""

    exit_code: int
    stdout: bytes
    stderr: str

    @property
    def text(self) -> str:
        return self.stdout.decode()

    @property
    def json(self) -> Any:  # noqa: ANN401 - any JSON
        return orjson.loads(self.stdout)


class Deployment:
    """`environment` is what its processes are started with, each as its own user of the Redis that it names.

    `settings` are those of the operator's commands, `worker_settings` those of a worker. Unless told
    otherwise they hash user ids under the key of all tests.
    """

    def __init__(self, environment: dict[str, str]) -> None:
        self.environment = {"USER_ID_HASH_KEY": KEY, **environment}
        self.config = self._settings_of("operator")
        self.worker_settings = self._settings_of("worker")

    async def publish(
        self,
        *values: bytes | None,
        topic: str | None = None,
        partition: int = 0,
        key: bytes | None = None,
        headers: Headers = (),
    ) -> list[int]:
        """Publish records, one a batch; return their offsets."""
        producer = AIOKafkaProducer(
            bootstrap_servers=self.config.kafka.bootstrap_servers, max_request_size=20_000_000
        )
        async with producer:
            sent = [
                await producer.send_and_wait(
                    topic or self.config.kafka.topic,
                    value,
                    key=key,
                    partition=partition,
                    headers=list(headers),
                )
                for value in values
            ]
        return [record.offset for record in sent]

    @asynccontextmanager
    async def worker(self) -> AsyncIterator[None]:
        """Run a worker as long as the block."""
        stopping = asyncio.Event()
        serving = asyncio.create_task(serve_worker(self.worker_settings, stopping))
        try:
            yield
        finally:
            stopping.set()
            await serving

    async def count(self) -> None:
        """Have a worker count all there is, and leave."""
        async with self.worker():
            await wait_until(self.is_caught_up, deadline_seconds=20, message="everything was counted")

    async def is_caught_up(self) -> bool:
        try:
            status = await read_status(self.config)
        except UnavailableError:  # a worker creates the topic at its start
            return False
        return status.lag == 0 and not status.catching_up

    def with_settings(self, **environment: str) -> "Deployment":
        """Return the same deployment with some settings changed."""
        return Deployment({**self.environment, **environment})

    async def read(self, topic: str, *, partition: int = 0) -> list[Record]:
        """Return all records of a partition."""
        async with open_log(self.config, topic) as log:
            found = Partition(topic, partition)
            return [
                record async for portion in log.read(found, log.extents[found]) for record in portion.records
            ]

    async def publish_large(self, value: bytes) -> None:
        """Publish a record of up to 20 MB, once Kafka knows that the topic takes such: it says so before."""
        resource = ConfigResource(
            ConfigResourceType.TOPIC, self.config.kafka.topic, {"max.message.bytes": "20000000"}
        )
        async with admin_client(self.config) as admin:
            await admin.alter_configs([resource])
        await wait_until(lambda: self._is_taken(value), deadline_seconds=30, message="Kafka took the record")

    async def _is_taken(self, value: bytes) -> bool:
        try:
            await self.publish(value)
        except MessageSizeTooLargeError:
            return False
        return True

    async def drop_records(self, *, up_to: int, partition: int = 0) -> None:
        """Remove the oldest records of a partition, as retention does."""
        native = TopicPartition(self.config.kafka.topic, partition)
        async with admin_client(self.config) as admin:
            await admin.delete_records({native: RecordsToDelete(before_offset=up_to)})

    async def headcount(self, *arguments: str) -> Ended:
        """Run the command line to its end, without a terminal.

        In a thread, one at a time, and not beside a worker: they would share an output. See `program`.
        """
        with restored_logging():
            runner = CliRunner(env=self._environment_of("operator"))
            result = await asyncio.to_thread(runner.invoke, app, arguments)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Ended(result.exit_code, result.stdout_bytes, result.stderr)

    async def program(self, *arguments: str, user: str = "operator") -> Ended:
        """Run the command line in a process of its own, which takes most of a second to start."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "headcount",
            *arguments,
            env={"PATH": os.environ["PATH"], **self._environment_of(user)},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        stdout, stderr = await process.communicate()
        return Ended(process.returncode or 0, stdout, stderr.decode())

    def _environment_of(self, user: str) -> dict[str, str]:
        return {**self.environment, "REDIS_URL": url_as(user, self.environment["REDIS_URL"])}

    def _settings_of(self, user: str) -> Config:
        return load_config(self._environment_of(user))


@contextmanager
def restored_logging() -> Iterator[None]:
    """Leave the logging of the tests as it was."""
    handlers, level = logging.root.handlers, logging.root.level
    try:
        yield
    finally:
        logging.root.handlers = handlers
        logging.root.setLevel(level)
        structlog.reset_defaults()


@asynccontextmanager
async def deployed(
    kafka_bootstrap_servers: str, topic: str, redis_url: str, **environment: str
) -> AsyncIterator[Deployment]:
    """Make a deployment, with its topics."""
    deployment = Deployment(
        {
            "KAFKA_BOOTSTRAP_SERVERS": kafka_bootstrap_servers,
            "KAFKA_TOPIC": topic,
            "KAFKA_GROUP_ID": topic,
            "REDIS_URL": redis_url,
            **environment,
        }
    )
    await create_topics(deployment.config)
    yield deployment
