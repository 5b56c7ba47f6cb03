"""Typer commands whose help shows flags without a value type."""

from collections.abc import Callable
from typing import Any, TypeVar

import typer
from typer.core import TyperCommand, TyperGroup, TyperOption

F = TypeVar("F", bound=Callable[..., Any])


def _without_types(params: list[Any]) -> list[Any]:
    for param in params:
        if isinstance(param, TyperOption) and param.is_flag and param.metavar is None:
            param.metavar = ""
    return params


class _Command(TyperCommand):
    def get_params(self, ctx: Any) -> list[Any]:  # noqa: ANN401 - a type of Typer's copy of Click
        return _without_types(super().get_params(ctx))


class _Group(TyperGroup):
    def get_params(self, ctx: Any) -> list[Any]:  # noqa: ANN401 - a type of Typer's copy of Click
        return _without_types(super().get_params(ctx))


class CommandGroup(typer.Typer):
    """A Typer application with these commands."""

    def __init__(self, **options: Any) -> None:  # noqa: ANN401 - Typer's options
        super().__init__(**{"cls": _Group, **options})

    def command(
        self,
        name: str | None = None,
        **options: Any,  # noqa: ANN401 - Typer's options
    ) -> Callable[[F], F]:
        """Register a command like Typer."""
        return super().command(name, **{"cls": _Command, **options})
