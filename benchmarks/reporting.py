"""Writes results as JSON, in addition to the printed table."""

from pathlib import Path
from typing import Final

import orjson

RESULTS: Final = Path(__file__).parent / "results"


def write_json(path: Path, document: object) -> None:
    """Write dataclasses and plain values, making the folder where it is missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    options = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
    path.write_bytes(orjson.dumps(document, option=options))
