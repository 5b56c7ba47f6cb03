"""The log: structured lines on stderr, from Headcount and its libraries, without secrets."""

import logging
import os
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, Final, TextIO

import structlog
from structlog.typing import Processor

REDACTED: Final = "[redacted]"

_SECRETS: Final = frozenset({"token", "auth_token", "password", "secret", "redis_url"})
_LIBRARIES: Final = ("aiokafka", "aiohttp", "asyncio", "kafka", "redis")
_RATE_LIMITED: Final = "aiokafka"
_REPEAT_SECONDS: Final = 10.0
_hide_credentials = re.compile(r"(?<=://)[^/@\s]*@").sub


class _Stderr(logging.StreamHandler[TextIO]):
    """Looks up stderr at each line, because live displays and tests replace it."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:  # type: ignore[override]
        return sys.stderr


class _AiokafkaFilter(logging.Filter):
    """Rate-limits the log lines of aiokafka and lowers its errors to warnings.

    While Kafka is unavailable, aiokafka logs sixty lines a second, and it logs as errors what it retries
    itself, as in any rebalance. What it gives up on is raised as an exception. Lines with a traceback keep
    their level.
    """

    def __init__(self) -> None:
        super().__init__()
        self._logged: dict[tuple[str, int], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name.partition(".")[0] != _RATE_LIMITED:
            return True
        statement = (record.pathname, record.lineno)
        if record.created - self._logged.get(statement, 0.0) < _REPEAT_SECONDS:
            return False
        self._logged[statement] = record.created
        if record.levelno == logging.ERROR and not record.exc_info:
            record.levelno, record.levelname = logging.WARNING, "WARNING"
        return True


def configure_logging(level: str, line_format: str, *, libraries: str = "warning") -> None:
    """Log lines of `level` and above to stderr, as text (`console`) or as `json`.

    `libraries` is the lowest level that is logged for libraries, such as aiokafka and aiohttp.
    """
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    handler = _Stderr()
    handler.setFormatter(_formatter(line_format, shared))
    handler.addFilter(_AiokafkaFilter())
    logging.root.handlers = [handler]
    logging.root.setLevel(level.upper())
    numbers = logging.getLevelNamesMapping()
    for library in _LIBRARIES:
        logging.getLogger(library).setLevel(max(numbers[level.upper()], numbers[libraries.upper()]))


def _formatter(line_format: str, shared: list[Processor]) -> logging.Formatter:
    console = structlog.dev.ConsoleRenderer(
        colors=_coloured(os.environ), exception_formatter=structlog.dev.plain_traceback
    )
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,  # without local variables, which may contain secrets
            redact,
            structlog.processors.JSONRenderer() if line_format == "json" else console,
        ],
    )


def _coloured(environ: Mapping[str, str]) -> bool:
    """Return whether lines are coloured: by NO_COLOR (no-color.org), FORCE_COLOR, or on a terminal."""
    if environ.get("NO_COLOR"):
        return False
    return bool(environ.get("FORCE_COLOR")) or sys.stderr.isatty()


def redact(_logger: object, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Redact secrets and credentials in URLs, as a safety net."""
    for name, value in line.items():
        if name in _SECRETS:
            line[name] = REDACTED
        elif isinstance(value, str):
            line[name] = _hide_credentials("", value)
    return line
