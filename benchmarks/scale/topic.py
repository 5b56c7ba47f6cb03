"""The topic of a point: made with its number of partitions, and filled with its backlog."""

from aiokafka.admin import NewTopic

from benchmarks.backlog import make
from benchmarks.projecting import Report, publish
from benchmarks.scale.points import Point
from benchmarks.stage import with_topic
from headcount.preflight.connections import admin_client
from headcount.wiring import Config, utc_now


def settings_of(point: Point, config: Config) -> Config:
    """Return the settings of a deployment that counts the point's topic."""
    return with_topic(config, point.topic)


async def fill(point: Point, config: Config, published: Report) -> None:
    """Publish the point's backlog to a topic of its own."""
    own = settings_of(point, config)
    async with admin_client(own) as admin:
        await admin.create_topics([NewTopic(point.topic, point.partitions, 1)])
    await publish(own, make(point.shape, utc_now()), published)
