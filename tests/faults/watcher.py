"""The watcher: a client that asks the API all the time, and holds each answer against the truth."""

import asyncio
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import cycle, groupby
from typing import Any, Final

import aiohttp

from api.endpoints.weekly_data.contract import WEEKLY_DATA_PATH
from headcount.wiring import utc_now
from tests.faults.activity import WINDOW_DAYS
from tests.faults.load import Load
from tests.faults.plant import Plant
from tests.support.waiting import scaled, wait_until

PAUSE_SECONDS: Final = 0.05
HANGING_SECONDS: Final = 4.0
SLOWEST_SECONDS: Final = 1.5
"""The API promises a second; the rest is for a client on a machine whose cores are all busy."""
FRESH: Final = timedelta(seconds=4)
BIG_TOLERANCE: Final = 0.05
"""Of the big workspace's numbers: more than five times a HyperLogLog's standard deviation."""
ROUNDING: Final = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the API said at `instant`; `as_of` is None where the answer is no number."""

    instant: datetime
    seconds: float
    workspace: str
    status: int
    error: str
    as_of: datetime | None
    users: Mapping[date, int]

    @property
    def kind(self) -> str:
        """Name the answer as an operator would."""
        if self.as_of is None:
            return f"{self.status} {self.error}".strip()
        return "200" if self.instant - self.as_of < FRESH else "200 with an older as-of"


class Watcher:
    """Asks for the load's workspaces in turn. `wrong` lists, in sentences, whatever must not be."""

    def __init__(self, plant: Plant, load: Load) -> None:
        self.answers: list[Answer] = []
        self.wrong: list[str] = []
        self._plant = plant
        self._load = load
        self._workspaces: Iterator[str] = cycle(load.workspaces)
        self._task: asyncio.Task[None] | None = None

    @property
    def slowest(self) -> float:
        """How long the slowest answer took, in seconds."""
        return max((answer.seconds for answer in self.answers), default=0.0)

    def watch(self, workspace: str) -> None:
        """Ask for one more workspace from now on."""
        self._workspaces = cycle([workspace, *self._load.workspaces])

    async def start(self) -> None:
        """Ask from now on."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Ask no more."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def sees(self, as_of: datetime, *, deadline_seconds: float = 60.0) -> Answer:
        """Wait for the first answer that holds every event published before that instant."""
        found: list[Answer] = []

        def look() -> bool:
            found[:] = [each for each in self.answers if each.as_of is not None and each.as_of >= as_of][:1]
            return bool(found)

        await wait_until(
            look, deadline_seconds=deadline_seconds, message=f"the API counted up to {as_of}: {self.said()}"
        )
        return found[0]

    async def says(self, kind: str, *, deadline_seconds: float = 20.0) -> None:
        """Wait until an answer that is given from now on is of that kind."""
        asked = len(self.answers)
        await wait_until(
            lambda: any(answer.kind.startswith(kind) for answer in self.answers[asked:]),
            deadline_seconds=deadline_seconds,
            message=f"the API said {kind}: {self.said()}",
        )

    def said(self) -> str:
        """Sum up what the API said, phase by phase."""
        phases = [(kind, list(answers)) for kind, answers in groupby(self.answers, lambda each: each.kind)]
        spans = [f"{kind} for {_span(answers):.1f} s" for kind, answers in phases[:-1]]
        return ", then ".join([*spans, *(kind for kind, _ in phases[-1:])])

    async def _run(self) -> None:
        timeout = aiohttp.ClientTimeout(total=scaled(HANGING_SECONDS))
        async with aiohttp.ClientSession(timeout=timeout) as session:
            while True:
                await self._ask(session, next(self._workspaces))
                await asyncio.sleep(PAUSE_SECONDS)

    async def _ask(self, session: aiohttp.ClientSession, workspace: str) -> None:
        url = self._plant.api_url + WEEKLY_DATA_PATH
        query = {"start": utc_now().strftime("%Y-%m-%dT23:59:59.999Z")}
        begun = time.monotonic()
        try:
            async with session.get(url, params=query, headers=self._plant.credentials(workspace)) as response:
                body = await response.json()
        except (TimeoutError, aiohttp.ClientError) as error:
            self.wrong.append(f"a request had no answer after {time.monotonic() - begun:.1f} s: {error!r}")
            return
        answer = _answer(workspace, time.monotonic() - begun, response, body)
        self.answers.append(answer)
        self.wrong += judge(answer, self._load)


def judge(answer: Answer, load: Load) -> Iterator[str]:
    """Say in sentences what is wrong with an answer, given what the load knows."""
    if answer.seconds > scaled(SLOWEST_SECONDS):
        yield f"an answer took {answer.seconds:.1f} s: {answer.kind}"
    if answer.status not in {200, 503}:
        yield f"the API answered {answer.kind} to {answer.workspace}"
    if answer.as_of is not None and answer.as_of > answer.instant:
        yield f"an answer told of {answer.as_of}, which had not come at {answer.instant}"
    if answer.status == 200 and answer.as_of is not None:
        yield from _judge_numbers(answer, answer.as_of, load)


def _judge_numbers(answer: Answer, as_of: datetime, load: Load) -> Iterator[str]:
    tolerance = BIG_TOLERANCE if answer.workspace == load.big else 0.0
    today = answer.instant.date()
    for day in {today - timedelta(days=age) for age in range(WINDOW_DAYS - 1)} | set(answer.users):
        users = answer.users.get(day, 0)
        least = load.truth.at_least((answer.workspace, day), as_of)
        most = load.truth.at_most((answer.workspace, day))
        if not least * (1 - tolerance) - ROUNDING <= users <= most * (1 + tolerance) + ROUNDING:
            yield (
                f"{answer.workspace} on {day} had {users} users, as of {as_of}, at {answer.instant}; "
                f"true were {least} to {most}"
            )


def _answer(workspace: str, seconds: float, response: aiohttp.ClientResponse, body: Any) -> Answer:  # noqa: ANN401 - JSON
    as_of = response.headers.get("X-Headcount-As-Of")
    return Answer(
        instant=utc_now(),
        seconds=seconds,
        workspace=workspace,
        status=response.status,
        error=_error_name(str(body.get("error", body.get("message", "")))),
        as_of=datetime.fromisoformat(as_of).astimezone(UTC) if as_of else None,
        users={date(row["year"], row["month"], row["day"]): row["users"] for row in body.get("month", ())},
    )


def _error_name(sentence: str) -> str:
    """Take `catching-up` from a sentence that ends with `[error-catching-up]`."""
    return sentence.rpartition("[error-")[2].rstrip("]")


def _span(answers: list[Answer]) -> float:
    begun = answers[0].instant - timedelta(seconds=answers[0].seconds)
    return (answers[-1].instant - begun).total_seconds() + PAUSE_SECONDS
