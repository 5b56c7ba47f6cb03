"""The examples of docs/how-to/publish-events.md: what each publishes is counted."""

import asyncio
import re
import shlex
import sys
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path

import pytest
from redis.asyncio import Redis

from headcount.ops.status import read_status
from ingest.ports import Headers
from tests.support.deployment import Deployment, deployed

TEXT = Path("docs/how-to/publish-events.md").read_text()
PROGRAMS: list[str] = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
COMMANDS: list[str] = re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL)
PLAIN: list[str] = re.findall(r"^    (\{.*\})$", TEXT, re.MULTILINE)


@pytest.fixture
async def deployment(
    kafka_bootstrap_servers: str, topic: str, redis_url: str, redis_client: Redis
) -> AsyncIterator[Deployment]:
    async with deployed(kafka_bootstrap_servers, topic, redis_url) as deployment:
        yield deployment


async def test_every_example_is_counted(deployment: Deployment) -> None:
    for program in PROGRAMS:
        await run(deployment, program)
    for command in COMMANDS:
        value, headers = sent_by(command)
        await deployment.publish(value, headers=headers)
    await deployment.publish(*(line.encode() for line in PLAIN))
    await deployment.count()
    letters = (await deployment.headcount("dead-letters", "list", "--json")).json
    assert letters["reasons"] == []
    published = sum(partition.end or 0 for partition in (await read_status(deployment.config)).partitions)
    assert published == len(PROGRAMS) + len(COMMANDS) + len(PLAIN) == 5


async def run(deployment: Deployment, program: str) -> None:
    """Run a program as it stands, but for the address and the topic."""
    config = deployment.config
    here = program.replace("localhost:9092", config.kafka.bootstrap_servers)
    there = here.replace('"user-activity"', f'"{config.kafka.topic}"')
    process = await asyncio.create_subprocess_exec(sys.executable, "-W", "error", "-c", there)
    assert await process.wait() == 0


def sent_by(command: str) -> tuple[bytes, Headers]:
    """Read off the command what kcat would send."""
    words = shlex.split(command.replace("\\\n", " "))
    assert words[0] == "echo"
    options = [word for before, word in pairwise(words) if before == "-H"]
    headers = [(name, text.encode()) for name, _, text in (option.partition("=") for option in options)]
    return words[1].encode(), headers
