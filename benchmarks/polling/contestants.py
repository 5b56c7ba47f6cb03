"""Who takes part: the servers, all up at once, and what each of them is asked."""

from collections.abc import AsyncIterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from http import HTTPStatus
from itertools import chain
from typing import Final, Literal

from benchmarks.cores import Cores
from benchmarks.people import WorkspaceDay
from benchmarks.polling.answers import Answer, expect, fetch
from benchmarks.polling.handlers import BODY_KEY, HANDLERS, Kind
from benchmarks.polling.stage import Stage
from benchmarks.polling.workspaces import MANY, MANY_WINDOWS, POLLED
from benchmarks.polling.wrk import Question
from benchmarks.serving import Server, free_port, serving

Name = Kind | Literal["polling", "uncached", "not-modified", "two-processes"]

ENVIRONMENT: Final = {"HTTP_REQUESTS_PER_MINUTE": "1000000", "LOG_LEVEL": "error"}
"""Rate limits are on and count, high enough for nobody to be refused. All else is as it is by default."""


@dataclass(frozen=True, slots=True)
class Contestant:
    """One that takes its turns: its server, the weeks that it is asked for over and over, and how."""

    name: Name
    server: Server
    weeks: Sequence[WorkspaceDay]
    headers: Mapping[str, str] = field(default_factory=dict)
    status: int = HTTPStatus.OK

    def questions(self, stage: Stage) -> Sequence[Question]:
        """Return what it is asked, in turn."""
        asked = [stage.question(week) for week in self.weeks]
        return [replace(each, headers={**each.headers, **self.headers}) for each in asked]


@asynccontextmanager
async def contestants(stage: Stage, cores: Cores) -> AsyncIterator[Sequence[Contestant]]:
    """Start the servers for the block, each held to the one core, but for what is there to use more."""
    polled = WorkspaceDay(POLLED, stage.last)
    async with AsyncExitStack() as servers:
        api = await servers.enter_async_context(_api(stage, cores.server))
        answer = await fetch(api.port, stage.question(polled))
        expect(answer, stage.counts, polled)
        await stage.redis.set(BODY_KEY, answer.body)
        handlers = [
            Contestant(
                kind, await servers.enter_async_context(_handler(kind, stage, answer, cores)), [polled]
            )
            for kind in HANDLERS
        ]
        several = await servers.enter_async_context(_api(stage, cores.both, "--processes", "2"))
        yield [*handlers, *_headcount(stage, api, answer), Contestant("two-processes", several, [polled])]


def _headcount(stage: Stage, api: Server, answer: Answer) -> Sequence[Contestant]:
    polled = [WorkspaceDay(POLLED, stage.last)]
    known = {"if-none-match": answer.headers["ETag"]}
    return [
        Contestant("polling", api, polled),
        Contestant("uncached", api, _ever_new(stage)),
        Contestant("not-modified", api, polled, known, HTTPStatus.NOT_MODIFIED),
    ]


def _ever_new(stage: Stage) -> Sequence[WorkspaceDay]:
    """Ask for each workspace, then for each the day before, and so on: none comes twice within a second."""
    days = (stage.last - timedelta(days=back) for back in range(MANY_WINDOWS))
    return [WorkspaceDay(workspace_id, day) for day in days for workspace_id in MANY]


@asynccontextmanager
async def _api(stage: Stage, cores: AbstractSet[int], *options: str) -> AsyncIterator[Server]:
    """Start Headcount's API as an operator does."""
    port = free_port()
    own = {"REDIS_URL": stage.url, "HTTP_PORT": str(port), "API_METRICS_PORT": "0"}
    arguments = ("-m", "headcount", "api", *options)
    async with serving(arguments, {**ENVIRONMENT, **own}, port=port, cores=cores) as server:
        yield server


@asynccontextmanager
async def _handler(kind: Kind, stage: Stage, answer: Answer, cores: Cores) -> AsyncIterator[Server]:
    port = free_port()
    options = {"--port": str(port), "--redis": stage.url, "--body": answer.body.decode()}
    arguments = ("-m", "benchmarks.polling.handlers", kind, *chain.from_iterable(options.items()))
    async with serving(arguments, {}, port=port, cores=cores.server) as server:
        yield server
