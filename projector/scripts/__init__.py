"""The Lua scripts that run inside Redis, and one typed call for each.

The modules of this package lay out the keys and arguments and parse the replies; the comment at the top of a
script documents them.
"""

from importlib.resources import files
from typing import Final

ACKNOWLEDGE: Final = "acknowledge.lua"
APPLY: Final = "apply.lua"
COMPARE: Final = "compare.lua"
ERASE: Final = "erase.lua"
ERASED: Final = "erased.lua"
FIND: Final = "find.lua"
READD: Final = "readd.lua"
REMOVE: Final = "remove.lua"
RESTORE: Final = "restore.lua"
RESTART: Final = "restart.lua"
REWIND: Final = "rewind.lua"
SWITCH: Final = "switch.lua"
UNION: Final = "union.lua"
WINDOW: Final = "window.lua"

_ADD: Final = "add.lua"
_WITH_ADD: Final = frozenset({APPLY, READD, UNION})


def source(name: str) -> str:
    """Return the text of a script with `add.lua` in front if it needs it: Redis' scripts can't import."""
    return _text(_ADD) + _text(name) if name in _WITH_ADD else _text(name)


def _text(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")
