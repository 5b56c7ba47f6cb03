"""The embedded Kafka and Redis as one: started in the home folder, and settings that point at them."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

from pydantic import SecretStr

from embedded.kafka import EmbeddedKafka
from embedded.valkey import EmbeddedValkey
from headcount.demo.key_file import key_file, read_key
from headcount.settings import Settings

STOP_SECONDS: Final = 4.0


@asynccontextmanager
async def embedded_servers(settings: Settings, announce: Callable[[str], None]) -> AsyncIterator[Settings]:
    """Start both servers, and yield the settings with their addresses and the home's key.

    The home folder must be occupied by this process. `announce` is told of a download. Raises `RefusedError`
    with what stands against the start.
    """
    kafka = EmbeddedKafka(home=settings.headcount_home, announce=announce)
    valkey = EmbeddedValkey(home=settings.headcount_home)
    try:
        async with asyncio.TaskGroup() as starting:
            starting.create_task(kafka.start())
            starting.create_task(valkey.start())
        yield _pointing_at(settings, kafka, valkey)
    finally:
        await asyncio.gather(kafka.stop(STOP_SECONDS), valkey.stop(STOP_SECONDS))


def _pointing_at(settings: Settings, kafka: EmbeddedKafka, valkey: EmbeddedValkey) -> Settings:
    ours = {
        "kafka_bootstrap_servers": kafka.bootstrap_servers,
        "kafka_security_protocol": "PLAINTEXT",
        "redis_url": SecretStr(valkey.url),
        "user_id_hash_key": SecretStr(read_key(key_file(settings.headcount_home))),
    }
    return settings.model_copy(update=ours)
