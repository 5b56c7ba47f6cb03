"""What a child of `headcount api --processes` runs: no command, since it takes what only the parent has.

Its arguments are the descriptor of its end of the lifeline, and the URL that its clients come to.
"""

import os
import socket
import sys
from collections.abc import Sequence
from functools import partial

import structlog
import typer

from headcount.cli.execution import serve
from headcount.composition import serve_api
from headcount.metrics.api_port import measured
from headcount.processes.lifeline import Lifeline
from headcount.settings import Settings
from headcount.signals import stopped_by_signals


def main(arguments: Sequence[str]) -> None:
    """Answer requests until the parent says otherwise, or is gone."""
    descriptor, url = arguments
    structlog.contextvars.bind_contextvars(pid=os.getpid())
    try:
        serve(partial(_answer, Lifeline(socket.socket(fileno=int(descriptor)), url)))
    except typer.Exit as end:  # as the command line takes it
        sys.exit(end.exit_code)


async def _answer(lifeline: Lifeline, settings: Settings) -> None:
    async with stopped_by_signals() as stopping:
        with lifeline.held():
            await serve_api(
                settings,
                stopping,
                on_listening=lambda _url: None,  # the parent says when all of them do
                observe=partial(measured, settings),
                entrance=lifeline.entrance,
            )


if __name__ == "__main__":
    main(sys.argv[1:])
