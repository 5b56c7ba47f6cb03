"""Fixtures for faults: one plant for all of them, replaced by a new one when a fault left it in doubt."""

from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import Any

import pytest
import pytest_asyncio
from rich.console import Console

from tests.faults.drill import Drill
from tests.faults.plant import Plants
from tests.faults.table import Row, print_table

SEED = 20_240_229
_PROPERTY = "fault"
_ROWS: pytest.StashKey[list[Row]] = pytest.StashKey()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def plants(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Plants]:
    """The plants of this run: one, if all goes well."""
    shared = Plants(lambda: tmp_path_factory.mktemp("plant"))
    yield shared
    await shared.discard()


@pytest_asyncio.fixture(loop_scope="session")
async def drill(plants: Plants, request: pytest.FixtureRequest) -> AsyncIterator[Drill]:
    """Run faults on the shared plant: `async with drill("Redis restart", "stopped and started"): ...`."""
    failures = request.session.testsfailed
    rows = request.config.stash.setdefault(_ROWS, [])
    seen = len(rows)
    yield Drill(await plants.get(), rows, seed=SEED)
    # Reports also travel from other processes, where tests are shared out among several.
    request.node.user_properties += [(_PROPERTY, asdict(row)) for row in rows[seen:]]
    if request.session.testsfailed > failures:
        await plants.discard()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run whatever is on a plant in the one event loop that its connections belong to."""
    for item in items:
        if "plants" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show what was seen of each fault."""
    properties = [each for report in terminalreporter.stats.get("", ()) for each in _properties(report)]
    if rows := [Row(**fields) for name, fields in properties if name == _PROPERTY]:
        print_table(rows, Console(file=terminalreporter._tw._file, width=160))


def _properties(report: object) -> list[tuple[str, Any]]:
    return getattr(report, "user_properties", [])
