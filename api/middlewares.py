"""The middlewares of every handler: rate limit headers, error responses and deadlines."""

import asyncio
import traceback

import structlog
from aiohttp import web

from api.auth.admission import RATE_LIMIT_STATUS
from api.errors import error_response
from api.routing import Handler, route_of
from httpd.responses import json_response

_log = structlog.get_logger(__name__)


@web.middleware
async def add_rate_limit_headers(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Add the rate limit's headers. Outside `answer_errors`, so that error responses have them too."""
    response = await handler(request)
    if RATE_LIMIT_STATUS in request:
        response.headers.update(request[RATE_LIMIT_STATUS].headers)
    return response


@web.middleware
async def answer_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn an exception into its error response."""
    try:
        return await handler(request)
    except Exception as error:  # noqa: BLE001  every exception has an error response: clients always get one
        return _render(request, error)


@web.middleware
async def keep_deadline(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Cancel a handler at its route's deadline and raise `TimeoutError`."""
    route = route_of(request)
    deadline = None if route is None else route.deadline
    async with asyncio.timeout(None if deadline is None else deadline.total_seconds()):
        return await handler(request)


def _render(request: web.Request, error: Exception) -> web.Response:
    response = error_response(error)
    if response.status == web.HTTPInternalServerError.status_code:
        _log_unexpected(request, error)
    headers = dict(response.headers)
    if isinstance(error, web.HTTPMethodNotAllowed):
        headers["Allow"] = ", ".join(sorted(error.allowed_methods))
    return json_response(response.body, status=response.status, headers=headers)


def _log_unexpected(request: web.Request, error: Exception) -> None:
    # Code and line numbers only. The message, or a renderer that shows local variables, might contain a
    # token, a user id or a query string.
    route = route_of(request)
    _log.error(
        "request failed unexpectedly",
        error=type(error).__name__,
        path=None if route is None else route.path,
        stack="".join(traceback.format_tb(error.__traceback__)),
    )
