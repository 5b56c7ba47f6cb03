"""CloudEvents on a real Kafka: what the SDK writes is counted, and a redrive leaves them what they are."""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime

import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, to_binary_event, to_structured_event
from cloudevents.core.v1.event import CloudEvent
from redis.asyncio import Redis

from projector import keys
from tests.support.deployment import Deployment, deployed, event
from tests.support.people import count

Write = Callable[[CloudEvent], KafkaMessage]
TOO_STRICT = {"MAX_EVENT_BYTES": "256"}


@pytest.fixture
async def deployment(
    kafka_bootstrap_servers: str, topic: str, redis_url: str, redis_client: Redis
) -> AsyncIterator[Deployment]:
    async with deployed(kafka_bootstrap_servers, topic, redis_url) as deployment:
        yield deployment


def cloud_event(user_id: str, **person: str) -> CloudEvent:
    """Return an event of now, as the SDK makes it."""
    return CloudEvent(
        {"source": "/chat", "type": "message"}, {"workspace_id": "acme", "user_id": user_id, **person}
    )


async def publish(deployment: Deployment, message: KafkaMessage) -> None:
    await deployment.publish(message.value, headers=[*message.headers.items()])


async def test_both_modes_are_counted_among_plain_events(deployment: Deployment, redis_client: Redis) -> None:
    await deployment.publish(event("anna"), event("bob"))
    await publish(deployment, to_binary_event(cloud_event("bob")))
    await publish(deployment, to_binary_event(cloud_event("carol")))
    await publish(deployment, to_structured_event(cloud_event("carol")))
    await publish(deployment, to_structured_event(cloud_event("dave")))
    await publish(deployment, to_structured_event(cloud_event("erin", workspace_id="no workspace")))
    await deployment.count()
    assert await count(redis_client, keys.FIRST.day("acme", datetime.now(UTC).date())) == 4
    listed = (await deployment.headcount("dead-letters", "list", "--json")).json
    assert listed["reasons"] == [{"reason": "wrong-form", "letters": 1, "redriven": 0}]
    audited = (await deployment.headcount("audit", "--json")).json
    assert (audited["whole"], audited["surplus"]) == (True, None)


@pytest.mark.parametrize("write", [to_binary_event, to_structured_event])
async def test_a_redriven_cloud_event_is_read_as_one(
    deployment: Deployment, redis_client: Redis, write: Write
) -> None:
    message = write(cloud_event("anna", note="x" * 300))
    strict = deployment.with_settings(**TOO_STRICT)
    await publish(strict, message)
    await strict.count()
    done = await deployment.headcount("dead-letters", "redrive", "--all", "--yes", "--json")
    assert done.json["redriven"] == 1
    await deployment.count()
    assert await count(redis_client, keys.FIRST.day("acme", datetime.now(UTC).date())) == 1
    again = (await deployment.read(deployment.config.kafka.topic))[1]
    assert again.value == message.value
    assert [*again.headers] == [*message.headers.items(), ("headcount-redriven", b"1")]
