"""How a command runs: with the settings, and with a sentence on stderr where an error was to be expected."""

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
from headcount.gc_tuning import leave_out_start, tune_gc
from headcount.telemetry.logging import configure_logging
from headcount.wiring import Config, load_config
from ingest.errors import HeadcountError
from projector.redis.errors import RIGHTS, lacks_right

T = TypeVar("T")
Work = Callable[[Config], Coroutine[Any, Any, T]]

FAILED: Final = 1
UNKNOWN: Final = 3
"""The exit code where a check could not be made; `FAILED` is then its verdict."""
INTERRUPTED: Final = 130

_SURROUNDINGS: Final = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOENT, errno.ENOTDIR}
    | {errno.EADDRINUSE, errno.EADDRNOTAVAIL, errno.EMFILE, errno.ENFILE, errno.EEXIST}
)
"""What the machine refuses, and an operator can mend."""


def ask(work: Work[T]) -> T:
    """Run a short command: only its own answer or sentence is shown, not what the libraries log."""
    with sentences():
        config = load_config(os.environ)
        configure_logging(config.telemetry.log_level, config.telemetry.log_format, libraries="critical")
        tune_gc()  # whatever the command, it may read a whole log
        return asyncio.run(work(config))


def serve(work: Work[None]) -> None:
    """Run a part that goes on until it is stopped, and logs each change of its state."""
    with sentences():
        config = load_config(os.environ)
        configure_logging(config.telemetry.log_level, config.telemetry.log_format)
        leave_out_start()
        asyncio.run(work(config))


def host(work: Work[None]) -> None:
    """Run a command that speaks to a person itself: it logs warnings only, unless a level is set."""
    with sentences():
        config = load_config(os.environ)
        if config.telemetry.is_log_level_set:
            configure_logging(config.telemetry.log_level, config.telemetry.log_format)
        else:
            configure_logging("warning", config.telemetry.log_format, libraries="critical")
        asyncio.run(work(config))


@contextmanager
def unknown_if_failed() -> Iterator[None]:
    """Exit with `UNKNOWN` where a check fails: 1 is what it says of what it found."""
    try:
        yield
    except typer.Exit as end:
        raise typer.Exit(UNKNOWN if end.exit_code == FAILED else end.exit_code) from end


def sentence_of(error: BaseException) -> str | None:
    """Say what happened, if it is one of the conditions that an operator can do something about."""
    if isinstance(error, BaseExceptionGroup):
        return next(filter(None, map(sentence_of, error.exceptions)), None)
    if isinstance(error, HeadcountError | TokensUnavailableError):
        return _with_advice(str(error), error.__cause__)
    if isinstance(error, KafkaError | RedisError):
        server = "Kafka" if isinstance(error, KafkaError) else "Redis"
        return _with_advice(f"{server} reports: {error}", error)
    if isinstance(error, UnicodeEncodeError):  # of an argument: settings are checked when they are read
        return "An argument holds bytes that are no UTF-8: no server takes them. Give it as UTF-8 text."
    if isinstance(error, OSError) and error.errno in _SURROUNDINGS:
        return f"{error.filename or 'This machine'} can't be used: {error.strerror}"
    return None


def _with_advice(sentence: str, cause: BaseException | None) -> str:
    """Say what to do about a right that Redis refuses, unless the sentence does."""
    lacks = isinstance(cause, RedisError) and lacks_right(cause)
    return f"{sentence}. {RIGHTS}" if lacks and RIGHTS not in sentence else sentence


@contextmanager
def sentences() -> Iterator[None]:
    """Exit with `FAILED` and a sentence on stderr for an error that an operator can do something about."""
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
    """Return where the answer is yes; exit with 1 where it is no, or where there is no terminal to ask on."""
    if not sys.stdin.isatty():
        typer.echo(
            "headcount: This command asks for confirmation, and there is no terminal: add --yes.", err=True
        )
        raise typer.Exit(FAILED)
    if not typer.confirm(question, err=True):
        typer.echo("headcount: Nothing was changed.", err=True)
        raise typer.Exit(FAILED)
