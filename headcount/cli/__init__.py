"""The command line: the application and its commands, which are thin wrappers of `headcount.ops`."""

import io
import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import Annotated

import typer

from headcount.cli import (
    audit,
    dead_letters,
    describe,
    doctor,
    forget,
    gaps,
    rebuild,
    replay,
    serving,
    settings,
    skip,
    status,
    tokens,
    verify,
)
from headcount.cli.flags import CommandGroup
from headcount.cli.terminal import ignore_closed_terminal

app = CommandGroup(
    name="headcount",
    help="Live counts of the distinct people active in a chat workspace, from a Kafka log into Redis.",
    epilog="Settings are environment variables like KAFKA_BOOTSTRAP_SERVERS: docs/reference/settings.md "
    "describes them, `headcount settings` shows their values.\n\n"
    "Shell completion: `headcount --install-completion`.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,  # a traceback that shows local variables could show secrets
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(serving.run)
app.command()(serving.services)
app.command()(serving.worker)
app.command()(serving.api)
app.command()(replay.replay)
app.command()(status.status)
app.command()(doctor.doctor)
app.command()(settings.settings)
app.command()(audit.audit)
app.command()(verify.verify)
app.command()(rebuild.rebuild)
app.command()(forget.forget)
app.command()(forget.remember)
app.command()(skip.skip)
app.command()(describe.describe)
app.add_typer(tokens.app, name="tokens")
app.add_typer(dead_letters.app, name="dead-letters")
app.add_typer(gaps.app, name="gaps")


def _print_version(asked: bool) -> None:  # noqa: FBT001 - Typer calls it with the option's value
    if asked:
        typer.echo(f"headcount {version('headcount')}")
        raise typer.Exit


@app.callback()
def _headcount(
    *,
    _version: Annotated[
        bool, typer.Option("--version", help="Print the version.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    pass


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and exit: with 0 on success, 1 with a message on stderr, 2 for a usage error."""
    ignore_closed_terminal()
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Characters that the encoding lacks are escaped, as on stderr, instead of aborting the command.
        sys.stdout.reconfigure(errors="backslashreplace")
    app(arguments, prog_name="headcount")
