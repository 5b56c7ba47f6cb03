"""What surrounds every handler: the rate limit's headers, the table of errors, and the deadline."""

import asyncio
import traceback

import structlog
from aiohttp import web

from api.auth.admission import RATE_LIMIT_STATUS
from api.errors import answer_to
from api.resources import DEADLINE
from api.routing import Handler
from httpd.responses import json_response

_log = structlog.get_logger(__name__)


@web.middleware
async def add_rate_limit_headers(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Add what is left of the rate limit, to errors too: so it surrounds what answers them."""
    response = await handler(request)
    if RATE_LIMIT_STATUS in request:
        response.headers.update(request[RATE_LIMIT_STATUS].headers)
    return response


@web.middleware
async def answer_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn any error into the answer that the table gives for it."""
    try:
        return await handler(request)
    except Exception as error:  # noqa: BLE001  the table has a row for it: a client is never left without an answer
        return _render(request, error)


@web.middleware
async def keep_deadline(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give up on a handler that waits too long, raising `TimeoutError`."""
    async with asyncio.timeout(request.app[DEADLINE].total_seconds()):
        return await handler(request)


def _render(request: web.Request, error: Exception) -> web.Response:
    answer = answer_to(error)
    if answer.status == web.HTTPInternalServerError.status_code:
        _log_unexpected(request, error)
    headers = dict(answer.headers)
    if isinstance(error, web.HTTPMethodNotAllowed):
        headers["Allow"] = ", ".join(sorted(error.allowed_methods))
    return json_response(answer.body, status=answer.status, headers=headers)


def _log_unexpected(request: web.Request, error: Exception) -> None:
    # Code and line numbers only. The message, or a renderer that shows local variables, might tell a token,
    # a user id or a query string.
    resource = request.match_info.route.resource
    _log.error(
        "request failed unexpectedly",
        error=type(error).__name__,
        path=resource.canonical if resource else None,
        stack="".join(traceback.format_tb(error.__traceback__)),
    )
