"""The output of `headcount run`: steps of the start, a block of commands, then live numbers."""

import os
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.live import Live
from rich.text import Text

from headcount.demo.client import WORKSPACE_ID

TERMINAL_SECONDS: Final = 1.0
LINE_SECONDS: Final = 60.0

_BLOCK: Final = """
Headcount is running. To query how many people were active on each of the last eight days:

  {curl}

Commands to try in another terminal:

  export {environment}
  {program} status
  {program} tokens create --workspace whatwg --user you
  date -u +%Y-%m-%dT%H:%M%tdevelopers%tyou > you.tsv && {program} replay you.tsv

The last command publishes an event, which adds one person to today's count. {run_file} contains the
addresses and the token for scripts while this runs. Prometheus metrics of worker and API:
{metrics}. Ctrl-C stops everything; the counts are kept.
"""


@dataclass(frozen=True, slots=True)
class Flow:
    """The live numbers at one moment; None if unknown."""

    events: int
    events_per_second: float
    lag: int | None
    users_today: int | None
    as_of: str | None

    def __str__(self) -> str:
        return "   ".join(
            (
                f"{self.events_per_second:,.1f} events/s ({self.events:,} since the start)",
                f"lag {_known(self.lag)}",
                f"{_known(self.users_today)} people today in {WORKSPACE_ID}",
                f"as of {_known(self.as_of)}",
            )
        )


class Screen:
    """Prints to the console, with a live line on a terminal."""

    def __init__(self, console: Console) -> None:
        self._console = console

    @property
    def refresh_seconds(self) -> float:
        """The interval between two updates of the live numbers."""
        return TERMINAL_SECONDS if self._console.is_terminal else LINE_SECONDS

    def say(self, text: str) -> None:
        """Print text unchanged, without line breaks or colours."""
        self._console.print(text, soft_wrap=True, markup=False, highlight=False)

    def block(self, *, curl: str, environment: Mapping[str, str], metrics: str, run_file: Path) -> None:
        """Print the commands to try, on lines that can be copied."""
        self.say(
            _BLOCK.format(
                curl=curl,
                environment=" ".join(f"{name}={shlex.quote(value)}" for name, value in environment.items()),
                metrics=metrics,
                run_file=run_file,
                program=_program(),
            )
        )

    @contextmanager
    def flowing(self) -> Iterator[Callable[[Flow], None]]:
        """Yield a function that shows live numbers, on one changing line or on a line each."""
        if not self._console.is_terminal:
            yield lambda flow: self.say(str(flow))
            return
        with Live(console=self._console, auto_refresh=False, transient=True) as live:
            yield lambda flow: live.update(Text(str(flow), style="dim"), refresh=True)


def _program() -> str:
    """Return the path of the command for a shell in this folder."""
    path = Path(sys.executable).with_name("headcount")
    here = Path.cwd()
    return os.fspath(path.relative_to(here) if path.is_relative_to(here) else path)


def _known(value: object) -> str:
    return "?" if value is None else str(value)
