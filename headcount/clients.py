"""How the settings become clients of Kafka and Redis."""

from typing import Any, Final

from aiokafka.helpers import create_ssl_context
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.maint_notifications import MaintNotificationsConfig

from headcount.settings import Settings

WORKER_TIMEOUT_SECONDS: Final = 5.0
"""Longer than any batch takes; a reply that comes later is found by sending the batch again."""
API_TIMEOUT_SECONDS: Final = 0.8
"""Shorter than a request's deadline, so that the answer still says what was missing."""
API_CONNECTIONS: Final = 32
QUESTION_MILLISECONDS: Final = 5_000
"""How long Kafka may take to answer a question about topics, groups and offsets."""
WITHOUT_NOTIFICATIONS: Final = MaintNotificationsConfig(enabled=False)
"""With them, redis-py hands out pooled connections without a look whether Redis closed them meanwhile."""


def kafka_options(settings: Settings) -> dict[str, Any]:
    """Return aiokafka's options for the addresses and the security of every client of ours."""
    options: dict[str, Any] = {
        "bootstrap_servers": settings.kafka_bootstrap_servers,
        "client_id": "headcount",
        "security_protocol": settings.kafka_security_protocol,
    }
    if settings.kafka_security_protocol.endswith("SSL"):
        location = settings.kafka_ssl_ca_location
        options["ssl_context"] = create_ssl_context(cafile=str(location) if location else None)
    if settings.kafka_security_protocol.startswith("SASL"):
        password = settings.kafka_sasl_password
        options |= {
            "sasl_mechanism": settings.kafka_sasl_mechanism,
            "sasl_plain_username": settings.kafka_sasl_username,
            "sasl_plain_password": password.get_secret_value() if password else None,
        }
    return options


def worker_redis(settings: Settings) -> Redis:
    """Return the worker's client: it tries nothing again, since its caller does."""
    return Redis.from_url(
        settings.redis_url.get_secret_value(),
        socket_timeout=WORKER_TIMEOUT_SECONDS,
        socket_connect_timeout=WORKER_TIMEOUT_SECONDS,
        retry=Retry(NoBackoff(), 0),
        maint_notifications_config=WITHOUT_NOTIFICATIONS,
    )


def api_redis(settings: Settings) -> Redis:
    """Return the API's client: a few connections, and a short wait for one, so that load is shed early."""
    pool = BlockingConnectionPool.from_url(
        settings.redis_url.get_secret_value(),
        max_connections=API_CONNECTIONS,
        timeout=API_TIMEOUT_SECONDS,
        socket_timeout=API_TIMEOUT_SECONDS,
        socket_connect_timeout=API_TIMEOUT_SECONDS,
        retry=Retry(NoBackoff(), 0),
        maint_notifications_config=WITHOUT_NOTIFICATIONS,
    )
    return Redis.from_pool(pool)
