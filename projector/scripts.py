"""The Lua scripts that run inside Redis."""

from importlib.resources import files
from typing import Final

APPLY: Final = "apply.lua"
RESTART: Final = "restart.lua"
REWIND: Final = "rewind.lua"
WINDOW: Final = "window.lua"


def source(name: str) -> str:
    """Return the text of a script of this package."""
    return files(__package__).joinpath(name).read_text(encoding="utf-8")
