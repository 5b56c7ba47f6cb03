"""The topics: made at the first start where they are missing, left alone where they are not."""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import Final

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    KafkaError,
    TopicAlreadyExistsError,
    TopicAuthorizationFailedError,
    for_code,
)

from headcount.clients import QUESTION_MILLISECONDS, kafka_options
from headcount.preflight.kafka import advertised_refusal, check_entry
from headcount.wiring import Config
from ingest.errors import OperatorError, UnavailableError
from ingest.kafka.dead_letters import DEAD_LETTER_SUFFIX
from ingest.kafka.erasure_log import ERASURES_SUFFIX

PARTITIONS: Final = 4
REPLICAS: Final = 3
MILLISECONDS_A_DAY: Final = 86_400_000
_LACKS_RIGHT: Final = (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    TopicAuthorizationFailedError,
)


@asynccontextmanager
async def admin_client(config: Config) -> AsyncIterator[AIOKafkaAdminClient]:
    """Open an admin client.

    Raises `UnavailableError` where Kafka is out of reach, `OperatorError` where it does not let us in.
    """
    admin = AIOKafkaAdminClient(request_timeout_ms=QUESTION_MILLISECONDS, **kafka_options(config))
    try:
        await _start(admin, config)
        yield admin
    except _LACKS_RIGHT as error:
        raise OperatorError(
            f"Kafka refuses a right: {error!r}. Which are needed is listed in docs/explanation/security.md."
        ) from error
    except (KafkaError, TimeoutError) as error:
        raise UnavailableError(
            await advertised_refusal(config)
            or f"Kafka at {config.kafka.bootstrap_servers} does not answer: {error or 'it took too long'}"
        ) from error
    finally:
        await admin.close()


async def _start(admin: AIOKafkaAdminClient, config: Config) -> None:
    try:
        await admin.start()
    except KafkaError:
        await check_entry(config)
        raise


async def create_topics(config: Config, *, only: Collection[str] = ()) -> None:
    """Make the topic and its dead-letter topic, keeping records as long as their days are kept.

    And that of the erasures, which is compacted and keeps the newest record of each person for ever. If
    `only` names some of them, the others are not made.
    """
    wanted = {
        config.kafka.topic: PARTITIONS,
        config.kafka.topic + DEAD_LETTER_SUFFIX: 1,
        config.kafka.topic + ERASURES_SUFFIX: 1,
    }
    days = config.counting.retention_days
    retention = {"retention.ms": str(days * MILLISECONDS_A_DAY if days else -1)}
    configs = {
        # The broker's stamp: what is ahead of the clock is then told the same way at every reading.
        config.kafka.topic: retention | {"message.timestamp.type": "LogAppendTime"},
        config.kafka.topic + ERASURES_SUFFIX: {"cleanup.policy": "compact", "retention.ms": "-1"},
        config.kafka.topic + DEAD_LETTER_SUFFIX: retention,
    }
    async with admin_client(config) as admin:
        missing = (wanted.keys() & only if only else wanted.keys()) - set(await admin.list_topics())
        if not missing:
            return
        brokers = (await admin.describe_cluster())["brokers"]
        replicas = min(REPLICAS, len(brokers))
        response = await admin.create_topics(
            [NewTopic(name, wanted[name], replicas, topic_configs=configs[name]) for name in sorted(missing)]
        )
        for name, code, *_ in response.topic_errors:
            _check_created(name, code)


def _check_created(name: str, code: int) -> None:
    error = for_code(code)
    if code and error is not TopicAlreadyExistsError:  # another worker was quicker
        raise OperatorError(
            f"The topic {name} is missing and can't be created: {error.__name__}. "
            "Create it, or give its user the right to."
        )
