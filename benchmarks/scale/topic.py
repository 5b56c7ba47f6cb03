"""The topic of a point: made with its number of partitions, and filled with its backlog."""

from aiokafka.admin import NewTopic

from benchmarks.backlog import make
from benchmarks.projecting import Report, publish
from benchmarks.scale.points import Point
from headcount.log.topics import admin_client
from headcount.settings import Settings
from headcount.wiring import utc_now


def settings_of(point: Point, settings: Settings) -> Settings:
    """Return the settings of a deployment that counts the point's topic."""
    return settings.model_copy(update={"kafka_topic": point.topic})


async def fill(point: Point, settings: Settings, published: Report) -> None:
    """Publish the point's backlog to a topic of its own."""
    own = settings_of(point, settings)
    async with admin_client(own) as admin:
        await admin.create_topics([NewTopic(point.topic, point.partitions, 1)])
    await publish(own, make(point.shape, utc_now()), published)
