"""The probes: a new user's event is published, and the API asked until its answer has the user.

Timed is from the call that sends the event to the answer in hand. The API is asked at once, and again every
`POLL_SECONDS` after each answer that is still the old one: so much a time may be too long.
"""

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Final

import aiohttp
import orjson
from aiokafka import AIOKafkaProducer

from api.endpoints.weekly_data.contract import WEEKLY_DATA_PATH
from headcount.ops.replay.recording import Activity, encode

POLL_SECONDS: Final = 0.005
PATIENCE_SECONDS: Final = 10.0
"""A probe that takes longer is given up, and counts as one that took so long."""


@dataclass(slots=True)
class Viewer:
    """Who asks for a workspace of their own, and how many people were active in it so far."""

    workspace_id: str
    login: Mapping[str, str]
    counted_users: int = 0


@dataclass(slots=True)
class Probes:
    """How long probes took, in seconds.

    Of them `unanswered` were given up, and `wrong` were answered with too many people. `late` were not begun,
    since every viewer was still busy.
    """

    seconds: list[float] = field(default_factory=list)
    unanswered: int = 0
    late: int = 0
    wrong: int = 0
    polls: int = 0


class Prober:
    """Probes with viewers who each have one probe under way at most; the clients are the caller's."""

    def __init__(
        self,
        producer: AIOKafkaProducer,
        topic: str,
        session: aiohttp.ClientSession,
        viewers: Sequence[Viewer],
    ) -> None:
        self._producer = producer
        self._topic = topic
        self._session = session
        self._free = deque(viewers)

    async def run(self, a_second: float, seconds: float) -> Probes:
        """Begin probes at a steady pace for so long, and return once the last is answered."""
        probes = Probes()
        clock = asyncio.get_running_loop().time
        due = clock()
        async with asyncio.TaskGroup() as in_flight:
            for _ in range(int(a_second * seconds)):
                if self._free:
                    in_flight.create_task(self._probe(self._free.popleft(), probes))
                else:
                    probes.late += 1
                due += 1 / a_second
                await asyncio.sleep(due - clock())
        return probes

    async def _probe(self, viewer: Viewer, probes: Probes) -> None:
        viewer.counted_users += 1
        event = Activity(datetime.now(UTC), viewer.workspace_id, f"person-{viewer.counted_users}")
        began = asyncio.get_running_loop().time()
        await self._producer.send(self._topic, encode(event, "message"))
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await self._answered(viewer, probes)
            probes.seconds.append(asyncio.get_running_loop().time() - began)
        except TimeoutError:
            probes.unanswered += 1
            probes.seconds.append(PATIENCE_SECONDS)
        self._free.append(viewer)

    async def _answered(self, viewer: Viewer, probes: Probes) -> None:
        probes.polls += 1
        while (counted_users := await self.ask(viewer)) < viewer.counted_users:
            await asyncio.sleep(POLL_SECONDS)
            probes.polls += 1
        probes.wrong += counted_users > viewer.counted_users

    async def ask(self, viewer: Viewer) -> int:
        """Return how many people the answer has, 0 where there is none, in days that end with tomorrow."""
        tomorrow = (datetime.now(UTC) + timedelta(days=1)).date()
        url = f"{WEEKLY_DATA_PATH}?start={tomorrow}T00:00:00.000Z"
        async with self._session.get(url, headers=viewer.login) as response:
            body = orjson.loads(await response.read())
        if response.status == HTTPStatus.SERVICE_UNAVAILABLE:
            return 0
        response.raise_for_status()
        return sum(row["users"] for row in body["month"])
