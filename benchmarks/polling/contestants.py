"""Who takes part: the servers, all up at once, and what each of them is asked."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from http import HTTPStatus
from typing import Literal

from benchmarks.cores import Cores
from benchmarks.people import WorkspaceDay
from benchmarks.polling.answers import Answer, expect, fetch
from benchmarks.polling.handlers import BODY_KEY, HANDLERS, Kind
from benchmarks.polling.servers import api, handler
from benchmarks.polling.stage import Stage
from benchmarks.polling.workspaces import POLLED, weeks
from benchmarks.polling.wrk import Question
from benchmarks.serving import Server

Name = Kind | Literal["polling", "uncached", "new-token", "not-modified", "two-processes"]
Asked = Mapping[WorkspaceDay, Question]
"""What is asked in turn, over and over, by the weeks that it is about."""


@dataclass(frozen=True, slots=True)
class Contestant:
    """One that takes its turns: its server, what it is asked, and the status that it is to answer with."""

    name: Name
    server: Server
    asked: Asked
    status: int = HTTPStatus.OK


@asynccontextmanager
async def contestants(stage: Stage, cores: Cores) -> AsyncIterator[Sequence[Contestant]]:
    """Start the servers for the block, each held to the one core, but for what is there to use more."""
    week = WorkspaceDay(POLLED, stage.last)
    polled = {week: stage.question(week, token_of=week)}
    async with AsyncExitStack() as servers:
        headcount = await servers.enter_async_context(api(stage.url, cores.server))
        answer = await fetch(headcount.port, polled[week])
        expect(answer, stage.counts, week)
        await stage.redis.set(BODY_KEY, answer.body)
        start = partial(handler, url=stage.url, cores=cores.server, body=answer.body)
        handlers = [
            Contestant(kind, await servers.enter_async_context(start(kind)), polled) for kind in HANDLERS
        ]
        several = await servers.enter_async_context(api(stage.url, cores.both, "--processes", "2"))
        yield [
            *handlers,
            *_headcount(stage, headcount, polled, answer),
            Contestant("two-processes", several, polled),
        ]


def _headcount(stage: Stage, server: Server, polled: Asked, answer: Answer) -> Sequence[Contestant]:
    tag = answer.headers["ETag"]
    return [
        Contestant("polling", server, polled),
        Contestant("uncached", server, _ever_new(stage, lambda week: replace(week, day=stage.last))),
        Contestant("new-token", server, _ever_new(stage, lambda week: week)),
        Contestant("not-modified", server, _conditional(polled, tag), HTTPStatus.NOT_MODIFIED),
    ]


def _ever_new(stage: Stage, token_of: Callable[[WorkspaceDay], WorkspaceDay]) -> Asked:
    """Ask for each workspace, then for each the day before, and so on: none comes twice within a second."""
    many = (week for week in weeks(stage.last) if week.workspace_id != POLLED)
    return {week: stage.question(week, token_of=token_of(week)) for week in many}


def _conditional(asked: Asked, tag: str) -> Asked:
    """Ask the same, as one who has the answer already."""
    return {
        week: replace(question, headers={**question.headers, "if-none-match": tag})
        for week, question in asked.items()
    }
