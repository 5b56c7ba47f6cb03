"""Fixtures for faults: one plant for all of them, replaced by a new one when a fault left it in doubt."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from rich.console import Console

from tests.faults.drill import Drill
from tests.faults.plant import Plant
from tests.faults.table import Row, print_table

SEED = 20_240_229
_ROWS: pytest.StashKey[list[Row]] = pytest.StashKey()


class Plants:
    """The plant that tests share, until it is discarded."""

    def __init__(self, homes: pytest.TempPathFactory) -> None:
        self._homes = homes
        self._plant: Plant | None = None

    async def get(self) -> Plant:
        if self._plant is None:
            self._plant = Plant(Path(self._homes.mktemp("plant")))
            await self._plant.start()
        return self._plant

    async def discard(self) -> None:
        if self._plant is not None:
            plant, self._plant = self._plant, None
            await plant.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def plants(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Plants]:
    """The plants of this run: one, if all goes well."""
    shared = Plants(tmp_path_factory)
    yield shared
    await shared.discard()


@pytest_asyncio.fixture(loop_scope="session")
async def drill(plants: Plants, request: pytest.FixtureRequest) -> AsyncIterator[Drill]:
    """Run faults on the shared plant: `async with drill("Redis restart", "stopped and started"): ...`."""
    failures = request.session.testsfailed
    rows = request.config.stash.setdefault(_ROWS, [])
    yield Drill(await plants.get(), rows, seed=SEED)
    if request.session.testsfailed > failures:
        await plants.discard()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run every fault in the one event loop that the plant's connections belong to."""
    for item in items:
        if "drill" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Show what was seen of each fault."""
    if rows := config.stash.get(_ROWS, []):
        print_table(rows, Console(file=terminalreporter._tw._file, width=160))
