"""Runs commands with the settings and reports expected errors as one line on stderr."""

import asyncio
import errno
import os
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeVar

import typer
from aiokafka.errors import KafkaError
from redis.exceptions import RedisError

from api.errors import TokensUnavailableError
from headcount.gc_tuning import freeze_startup_objects, tune_gc
from headcount.telemetry.logging import configure_logging
from headcount.wiring import Config, load_config
from ingest.errors import HeadcountError
from projector.redis.errors import RIGHTS, lacks_right

T = TypeVar("T")
Work = Callable[[Config], Coroutine[Any, Any, T]]

FAILED: Final = 1
UNKNOWN: Final = 3
"""The exit code of a check that could not be made; `FAILED` is the verdict of a failed check."""
INTERRUPTED: Final = 130

_OPERATOR_ERRNOS: Final = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOENT, errno.ENOTDIR}
    | {errno.EADDRINUSE, errno.EADDRNOTAVAIL, errno.EMFILE, errno.ENFILE, errno.EEXIST}
)
"""Errors of the machine that an operator can fix."""


def ask(work: Work[T]) -> T:
    """Run a short command; only its output or error is shown, not the log of libraries."""
    with sentences():
        config = load_config(os.environ)
        configure_logging(config.telemetry.log_level, config.telemetry.log_format, libraries="critical")
        tune_gc()  # any of these commands may read a whole log
        return asyncio.run(work(config))


def serve(work: Work[None]) -> None:
    """Run a service until it is stopped; it logs each change of state."""
    with sentences():
        config = load_config(os.environ)
        configure_logging(config.telemetry.log_level, config.telemetry.log_format)
        freeze_startup_objects()
        asyncio.run(work(config))


def host(work: Work[None]) -> None:
    """Run an interactive command; it logs only warnings unless LOG_LEVEL is set."""
    with sentences():
        config = load_config(os.environ)
        if config.telemetry.is_log_level_set:
            configure_logging(config.telemetry.log_level, config.telemetry.log_format)
        else:
            configure_logging("warning", config.telemetry.log_format, libraries="critical")
        asyncio.run(work(config))


@contextmanager
def unknown_if_failed() -> Iterator[None]:
    """Exit with `UNKNOWN` if a check can't be made, because 1 is a verdict of the check."""
    try:
        yield
    except typer.Exit as end:
        raise typer.Exit(UNKNOWN if end.exit_code == FAILED else end.exit_code) from end


def sentence_of(error: BaseException) -> str | None:
    """Return the message of an error that an operator can resolve, None for any other error."""
    if isinstance(error, BaseExceptionGroup):
        return next(filter(None, map(sentence_of, error.exceptions)), None)
    if isinstance(error, HeadcountError | TokensUnavailableError):
        return _with_advice(str(error), error.__cause__)
    if isinstance(error, KafkaError | RedisError):
        server = "Kafka" if isinstance(error, KafkaError) else "Redis"
        return _with_advice(f"{server} reports: {error}", error)
    if isinstance(error, UnicodeEncodeError):  # of an argument; settings are checked when they are read
        return "An argument contains bytes that are not UTF-8. Pass it as UTF-8 text."
    if isinstance(error, OSError) and error.errno in _OPERATOR_ERRNOS:
        return f"{error.filename or 'This machine'} can't be used: {error.strerror}"
    return None


def _with_advice(sentence: str, cause: BaseException | None) -> str:
    """Append the advice for a permission that Redis denied, unless the message contains it."""
    lacks = isinstance(cause, RedisError) and lacks_right(cause)
    return f"{sentence}. {RIGHTS}" if lacks and RIGHTS not in sentence else sentence


@contextmanager
def sentences() -> Iterator[None]:
    """Exit with `FAILED` and a message on stderr for an error that an operator can resolve."""
    try:
        yield
    except KeyboardInterrupt as error:
        raise typer.Exit(INTERRUPTED) from error
    except Exception as error:
        sentence = sentence_of(error)
        if sentence is None:
            raise
        typer.echo(f"headcount: {sentence}", err=True)
        raise typer.Exit(FAILED) from error


def confirm(question: str) -> None:
    """Return if the answer is yes; exit with 1 if it is no or stdin is not a terminal."""
    if not sys.stdin.isatty():
        typer.echo(
            "headcount: This command asks for confirmation, but stdin is not a terminal: add --yes.", err=True
        )
        raise typer.Exit(FAILED)
    if not typer.confirm(question, err=True):
        typer.echo("headcount: Nothing was changed.", err=True)
        raise typer.Exit(FAILED)
