"""What was counted of this very deployment and topic, for commands that build on it."""

from redis.asyncio import Redis

from headcount.log.access import current_topic_id
from headcount.wiring import Config, deployment
from ingest.errors import OperatorError
from projector.checkpoints import Progress, read_progress
from projector.redis.errors import translate_errors


async def read_recorded(config: Config, redis: Redis) -> Progress:
    """Read the progress of a Redis that holds counters of this topic, whatever else they depend on.

    Raises `OperatorError` where it holds none, or another topic's, and `UnavailableError`.
    """
    progress = await read_progress(redis)
    check_topic(config, progress)
    if "topic" not in progress.deployment:
        raise OperatorError(
            f"Redis holds no counters at {config.redis.url_redacted}: correct REDIS_URL, or start a worker."
        )
    return progress


def check_topic(config: Config, progress: Progress) -> None:
    """Raise `OperatorError` where Redis holds the counters of another topic."""
    recorded = progress.deployment.get("topic", config.kafka.topic)
    if recorded != config.kafka.topic:
        raise OperatorError(
            f"Redis at {config.redis.url_redacted} holds counters of KAFKA_TOPIC {recorded!r}, and "
            f"KAFKA_TOPIC is {config.kafka.topic!r}: correct KAFKA_TOPIC or REDIS_URL."
        )


async def read_counted(config: Config, redis: Redis) -> Progress:
    """Read the progress, where it is that of the topic as it is now.

    Raises `OperatorError` where nothing was counted, or something else, and `UnavailableError`.
    """
    with translate_errors():
        await deployment(config).check(redis)
    progress = await read_progress(redis)
    if not progress.checkpoints:
        raise OperatorError(
            f"Redis holds no checkpoint at {config.redis.url_redacted}: nothing was counted there yet. "
            "Correct REDIS_URL, or start a worker first."
        )
    if progress.topic_id != await current_topic_id(config, config.kafka.topic):
        raise OperatorError("The topic was recreated since it was counted: start a worker, it sees to that.")
    return progress
