"""What was counted of this very deployment and topic, for commands that build on it."""

from redis.asyncio import Redis

from headcount.log.access import current_topic_id
from headcount.wiring import Config, deployment
from ingest.errors import OperatorError
from projector.checkpoints import Progress, read_progress
from projector.redis.errors import errors_named


async def read_counted(config: Config, redis: Redis) -> Progress:
    """Read the progress, where it is that of the topic as it is now.

    Raises `OperatorError` where nothing was counted, or something else, and `UnavailableError`.
    """
    with errors_named():
        await deployment(config).check(redis)
    progress = await read_progress(redis)
    if not progress.checkpoints:
        raise OperatorError("Redis holds no checkpoint: nothing was counted yet. Start a worker first.")
    if progress.topic_id != await current_topic_id(config, config.kafka.topic):
        raise OperatorError("The topic was recreated since it was counted: start a worker, it sees to that.")
    return progress
