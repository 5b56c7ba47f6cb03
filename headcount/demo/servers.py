"""Starts and stops the embedded Kafka and Valkey in the home folder."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import Final

from embedded.kafka import EmbeddedKafka
from embedded.refusals import raise_on_full_disk
from embedded.valkey import EmbeddedValkey
from headcount.demo.home import key_file, read_key
from headcount.demo.running import running
from headcount.wiring import Config

STOP_SECONDS: Final = 4.0


@asynccontextmanager
async def embedded_servers(config: Config, announce: Callable[[str], None]) -> AsyncIterator[Config]:
    """Start both servers and yield the configuration with their addresses and the key of the home folder.

    This process must hold the lock of the home folder. `announce` is called before a download. Raises
    `OperatorError` if a server can't be started, and also later once the disk is full.
    """
    kafka = EmbeddedKafka(home=config.home, announce=announce)
    valkey = EmbeddedValkey(home=config.home)
    async with running(partial(raise_on_full_disk, config.home)):
        try:
            async with asyncio.TaskGroup() as starting:
                starting.create_task(kafka.start())
                starting.create_task(valkey.start())
            yield _connected_to(config, kafka, valkey)
        finally:
            await asyncio.gather(kafka.stop(STOP_SECONDS), valkey.stop(STOP_SECONDS))


def _connected_to(config: Config, kafka: EmbeddedKafka, valkey: EmbeddedValkey) -> Config:
    key = read_key(key_file(config.home))
    return replace(
        config,
        kafka=replace(config.kafka, bootstrap_servers=kafka.bootstrap_servers, security_protocol="PLAINTEXT"),
        redis=replace(config.redis, url=valkey.url, url_redacted=valkey.url),
        counting=replace(config.counting, user_id_hash_key=key),
    )
