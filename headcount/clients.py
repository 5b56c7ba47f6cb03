"""Builds the clients of Kafka and Redis from the configuration."""

from typing import Any, Final

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.maint_notifications import MaintNotificationsConfig

from headcount import tls
from headcount.wiring import Config
from ingest.kafka.aiokafka_patches import install_patches
from projector.redis.auto_pipelining import AutoPipeliningRedis

WORKER_TIMEOUT_SECONDS: Final = 5.0
"""Longer than any batch takes; after a timeout, the batch is sent again."""
API_TIMEOUT_SECONDS: Final = 0.8
"""Shorter than a request's deadline, so that the response can name what was unavailable."""
API_CONNECTIONS: Final = 32
"""A few suffice if Redis is near; if it is far, this is the number of pipelines in flight."""
RETRY_MILLISECONDS: Final = 500
"""The pause between attempts to connect. With aiokafka's default, a worker whose login is refused retries
thirty times a second."""
WITHOUT_NOTIFICATIONS: Final = MaintNotificationsConfig(enabled=False)
"""With notifications, redis-py hands out pooled connections without checking whether Redis closed them."""


def kafka_options(config: Config) -> dict[str, Any]:
    """Return aiokafka's client options: addresses and security.

    Raises `OperatorError` for certificates that can't be used.
    """
    install_patches()  # before the first client: all clients take their options from here
    options: dict[str, Any] = {
        "bootstrap_servers": config.kafka.bootstrap_servers,
        "client_id": "headcount",
        "retry_backoff_ms": RETRY_MILLISECONDS,
        "security_protocol": config.kafka.security_protocol,
    }
    if config.kafka.security_protocol.endswith("SSL"):
        options["ssl_context"] = tls.context(config, "KAFKA")
    if config.kafka.security_protocol.startswith("SASL"):
        password = config.kafka.sasl_password
        options |= {
            "sasl_mechanism": config.kafka.sasl_mechanism,
            "sasl_plain_username": config.kafka.sasl_username,
            "sasl_plain_password": password,
        }
    return options


def worker_redis(config: Config) -> Redis:
    """Return the worker's client, which does not retry, since its caller does."""
    return Redis.from_url(config.redis.url, **_redis_options(config, WORKER_TIMEOUT_SECONDS))


def api_redis(config: Config) -> Redis:
    """Return the API's client, for many concurrent commands, with short timeouts that shed load early."""
    pool = BlockingConnectionPool.from_url(
        config.redis.url,
        max_connections=API_CONNECTIONS,
        timeout=API_TIMEOUT_SECONDS,
        **_redis_options(config, API_TIMEOUT_SECONDS),
    )
    return AutoPipeliningRedis(pool, connections=API_CONNECTIONS, seconds=API_TIMEOUT_SECONDS)


def _redis_options(config: Config, timeout: float) -> dict[str, Any]:
    url, password = config.redis.url, config.redis.password
    return {
        "socket_timeout": timeout,
        "socket_connect_timeout": timeout,
        "retry": Retry(NoBackoff(), 0),
        "maint_notifications_config": WITHOUT_NOTIFICATIONS,
        "driver_info": None,  # sending it needs a right that Redis 7.0 does not have
        **({"password": password} if password else {}),
        **(tls.redis_options(config) if url.startswith("rediss:") else {}),
    }
