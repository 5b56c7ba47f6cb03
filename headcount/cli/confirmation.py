"""Asking for confirmation on the terminal."""

import sys

import typer

from headcount.cli.execution import FAILED


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
