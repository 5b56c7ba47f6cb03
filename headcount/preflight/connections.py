"""Opens Kafka's topics as configured; the preflight explains why a connection fails."""

from collections.abc import Collection
from contextlib import AbstractAsyncContextManager
from functools import partial

from aiokafka.admin import AIOKafkaAdminClient

from headcount.clients import kafka_options
from headcount.preflight.kafka import advertised_refusal, check_kafka_login
from headcount.wiring import Config
from ingest.kafka import log_access, topics
from ingest.kafka.log_reader import LogReader
from ingest.ports import LogState


def admin_client(config: Config) -> AbstractAsyncContextManager[AIOKafkaAdminClient]:
    """Open an admin client; raises as `ingest.kafka.topics.open_admin` does."""
    return topics.open_admin(
        kafka_options(config),
        check_login=partial(check_kafka_login, config),
        find_cause=partial(advertised_refusal, config),
    )


async def create_topics(config: Config, *, only: Collection[str] = ()) -> None:
    """Create the missing topics; raises as `ingest.kafka.topics.create_topics` does, `UnavailableError`."""
    async with admin_client(config) as admin:
        await topics.create_topics(
            admin, config.kafka.topic, retention_days=config.counting.retention_days, only=only
        )


async def read_log_state(config: Config, topic: str) -> LogState:
    """Return the state of a topic; raises as `ingest.kafka.log_access.read_state` does."""
    return await log_access.read_state(topic, kafka_options(config), admin_client(config))


def open_log(config: Config, topic: str) -> AbstractAsyncContextManager[LogReader]:
    """Open a topic for reading; raises as `ingest.kafka.log_access.open_log` does."""
    return log_access.open_log(topic, kafka_options(config), admin_client(config))


async def current_topic_id(config: Config) -> str:
    """Return the id of the configured topic; raises as `ingest.kafka.log_access.current_topic_id` does."""
    return await log_access.current_topic_id(config.kafka.topic, kafka_options(config))
