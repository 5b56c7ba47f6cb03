"""Creates the topics and opens Kafka's admin client."""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    GroupCoordinatorNotAvailableError,
    GroupLoadInProgressError,
    KafkaError,
    NotCoordinatorForGroupError,
    TopicAlreadyExistsError,
    TopicAuthorizationFailedError,
    for_code,
)
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay, wait_fixed

from ingest.errors import OperatorError, UnavailableError
from ingest.kafka.dead_letters import DEAD_LETTER_SUFFIX
from ingest.kafka.erasure_log import ERASURES_SUFFIX

ADMIN_MILLISECONDS: Final = 5_000
"""The timeout of a request about topics, groups and offsets."""
MOVING_SECONDS: Final = 5.0
"""How long the broker that now coordinates a consumer group may take to answer for it."""
MOVING_PAUSE_SECONDS: Final = 0.2
PARTITIONS: Final = 4
REPLICAS: Final = 3
MILLISECONDS_A_DAY: Final = 86_400_000
_UNAUTHORIZED: Final = (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    TopicAuthorizationFailedError,
)


@asynccontextmanager
async def open_admin(
    options: Mapping[str, Any],
    *,
    check_login: Callable[[], Awaitable[None]],
    find_cause: Callable[[], Awaitable[str | None]],
) -> AsyncIterator[AIOKafkaAdminClient]:
    """Open an admin client; `options` are aiokafka's client options: addresses and security.

    `check_login` raises `OperatorError` if Kafka refuses the client; it is called if the client can't
    connect. `find_cause` returns a sentence that explains why Kafka can't be reached, or None.
    Raises `UnavailableError` if Kafka can't be reached, and `OperatorError` if it denies a right.
    """
    admin = AIOKafkaAdminClient(request_timeout_ms=ADMIN_MILLISECONDS, **options)
    try:
        try:
            await admin.start()
        except KafkaError:
            await check_login()
            raise
        yield admin
    except _UNAUTHORIZED as error:
        raise OperatorError(
            f"Kafka denies a right: {error!r}. docs/explanation/security.md lists the rights that are needed."
        ) from error
    except (KafkaError, TimeoutError) as error:
        raise UnavailableError(
            await find_cause()
            or f"Kafka at {options['bootstrap_servers']} does not answer: {error or 'request timed out'}"
        ) from error
    finally:
        await admin.close()


async def create_topics(
    admin: AIOKafkaAdminClient, topic: str, *, retention_days: int, only: Collection[str] = ()
) -> None:
    """Create the topic, its dead-letter topic and its erasure log, except those that exist.

    Records are kept for `retention_days`, 0 is for ever; the erasure log is compacted and keeps the newest
    record of each person for ever. If `only` names some of the topics, the others are not created. Raises
    `OperatorError` if Kafka refuses.
    """
    wanted = {topic: PARTITIONS, topic + DEAD_LETTER_SUFFIX: 1, topic + ERASURES_SUFFIX: 1}
    retention = {"retention.ms": str(retention_days * MILLISECONDS_A_DAY if retention_days else -1)}
    configs = {
        # With the broker's timestamps, whether an event is future-dated is the same at every reading.
        topic: retention | {"message.timestamp.type": "LogAppendTime"},
        topic + ERASURES_SUFFIX: {"cleanup.policy": "compact", "retention.ms": "-1"},
        topic + DEAD_LETTER_SUFFIX: retention,
    }
    missing = (wanted.keys() & only if only else wanted.keys()) - set(await admin.list_topics())
    if not missing:
        return
    brokers = (await admin.describe_cluster())["brokers"]
    replicas = min(REPLICAS, len(brokers))
    response = await admin.create_topics(
        [NewTopic(name, wanted[name], replicas, topic_configs=configs[name]) for name in sorted(missing)]
    )
    for name, code, *_ in response.topic_errors:
        error = for_code(code)
        if code and error is not TopicAlreadyExistsError:  # another worker was faster
            raise OperatorError(
                f"The topic {name} is missing and can't be created: {error.__name__}. "
                "Create it, or grant the Kafka user the right to create it."
            )


async def count_group_members(admin: AIOKafkaAdminClient, group_id: str) -> int:
    """Return the number of members of a consumer group; raises `KafkaError`.

    Asks again for a few seconds while the group moves to another broker.
    """
    asked = AsyncRetrying(
        retry=retry_if_exception_type((NotCoordinatorForGroupError, GroupLoadInProgressError)),
        wait=wait_fixed(MOVING_PAUSE_SECONDS),
        stop=stop_after_delay(MOVING_SECONDS),
        reraise=True,
    )
    return await asked(_count_group_members, admin, group_id)


async def _count_group_members(admin: AIOKafkaAdminClient, group_id: str) -> int:
    try:
        (response,) = await admin.describe_consumer_groups([group_id])
    except GroupCoordinatorNotAvailableError:
        return 0  # the cluster has never had a group
    (group,) = response.groups
    error_code, *_, members = group[:6]
    if error_code:
        raise for_code(error_code)(group_id)
    return len(members)
