"""The program of a child process of `headcount api --processes`; it can only be started by the parent.

Its arguments are the file descriptor of its end of the parent channel, and the URL of the API.
"""

import os
import socket
import sys
from collections.abc import Sequence
from functools import partial

import structlog
import typer

from headcount.api import serve_api
from headcount.cli.execution import serve
from headcount.cli.terminal import ignore_closed_terminal
from headcount.signals import stopped_by_signals
from headcount.telemetry.api_port import measured
from headcount.wiring import Config
from httpd.processes.parent_channel import ParentChannel


def main(arguments: Sequence[str]) -> None:
    """Serve requests until the parent stops this process or is gone."""
    ignore_closed_terminal()
    descriptor, url = arguments
    structlog.contextvars.bind_contextvars(pid=os.getpid())
    try:
        serve(partial(_serve, ParentChannel(socket.socket(fileno=int(descriptor)), url)))
    except typer.Exit as end:  # handled like in the command line
        sys.exit(end.exit_code)


async def _serve(parent_channel: ParentChannel, config: Config) -> None:
    async with stopped_by_signals() as stopping:
        with parent_channel.held():
            await serve_api(
                config,
                stopping,
                on_listening=lambda _url: None,  # the parent logs it once all processes listen
                observe=partial(measured, config),
                entrance=parent_channel.entrance,
            )


if __name__ == "__main__":
    main(sys.argv[1:])
