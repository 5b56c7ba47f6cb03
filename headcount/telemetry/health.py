"""The worker's `/livez` and `/readyz`: whether it gets on, and what is wrong where it is not ready."""

import asyncio
from collections.abc import Iterable
from http import HTTPStatus

from aiohttp import web

from httpd.responses import json_response
from ingest.worker.health import OK, is_ready, stalls, standings
from ingest.worker.state import WorkerState


def health_routes(state: WorkerState, *, stalled_after_seconds: float) -> Iterable[web.RouteDef]:
    """Return the two routes, which take GET and HEAD."""

    async def get_livez(_request: web.Request) -> web.Response:
        now = asyncio.get_running_loop().time()
        stalled = stalls(state, now=now, retry=stalled_after_seconds)
        return json_response({"alive": not stalled, "stalled": stalled}, status=_status(well=not stalled))

    async def get_readyz(_request: web.Request) -> web.Response:
        ready = is_ready(state)
        body = {
            "ready": ready,
            "servers": state.waiting_for or state.away or OK,
            "assignment": OK if state.partitions is not None else "none yet: the group is being joined",
            "partitions": {str(partition): words for partition, words in standings(state).items()},
        }
        return json_response(body, status=_status(well=ready))

    return web.get("/livez", get_livez), web.get("/readyz", get_readyz)


def _status(*, well: bool) -> HTTPStatus:
    return HTTPStatus.OK if well else HTTPStatus.SERVICE_UNAVAILABLE
