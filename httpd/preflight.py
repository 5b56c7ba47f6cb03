"""What the process must have before it may face clients: the fast parser, and files for its connections."""

import resource
from typing import Final

from aiohttp import http_parser

from ingest.errors import OperatorError

_OTHER_FILES: Final = 200
"""For everything but the clients' connections: those to Redis, and those that are on their way out."""


def require_c_parser() -> None:
    """Raise `OperatorError` unless aiohttp reads requests with its C parser.

    The one in Python is several times slower, and laxer about what it takes for a request.
    """
    if http_parser.HttpRequestParser is http_parser.HttpRequestParserPy:
        raise OperatorError(
            "aiohttp runs without its C parser, so that clients could overload it. "
            "Unset AIOHTTP_NO_EXTENSIONS, and install aiohttp from a wheel that is built for this system."
        )


def require_open_files(connections: int) -> None:
    """See to it that so many connections may be open at once, raising `OperatorError` if they may not."""
    wanted = connections + _OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if not _allows(hard, wanted):
        raise OperatorError(
            f"HTTP_MAX_CONNECTIONS is {connections}, but the process may have only {hard} files open. "
            f"Raise that limit to {wanted} (ulimit -n, LimitNOFILE), or lower HTTP_MAX_CONNECTIONS."
        )
    if not _allows(soft, wanted):
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _allows(limit: int, wanted: int) -> bool:
    return limit == resource.RLIM_INFINITY or limit >= wanted
