"""The HTTP server's log: its own errors only, and nothing that a client sent."""

import logging

from aiohttp.http_exceptions import HttpProcessingError


def server_logger() -> logging.Logger:
    """Return the logger for aiohttp's runner, whose own would quote requests and so log tokens.

    Malformed requests are the client's error and are not logged: no client can fill the log with them.
    """
    logger = logging.getLogger("httpd.server")
    logger.addFilter(_without_contents)
    return logger


def _without_contents(record: logging.LogRecord) -> bool:
    error = record.exc_info[1] if record.exc_info else None
    if error is not None:
        record.msg = f"{record.getMessage()}: {type(error).__name__}"
        record.args = ()
    # The traceback is dropped with its exception's text, which quotes the bytes that were not understood.
    record.exc_info = record.exc_text = None
    return not isinstance(error, HttpProcessingError)
