"""Deadlines of tests: one factor scales them all, and no test has a deadline that it does not scale."""

import ast
import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from embedded.server import EmbeddedServer
from tests.support.waiting import VARIABLE, factor_of, measured, scaled, slowness, wait_until, within

TESTS = Path(__file__).parents[1]
EXEMPT = ("support/waiting.py", "simulation/")
"""Where the factor is applied; and where time is virtual, so that no machine is too slow for it."""
TIMEOUTS = {"asyncio.timeout", "asyncio.timeout_at", "asyncio.wait_for", "asyncio.wait"}


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have deadlines scaled by 3, and afterwards as they were."""
    before = str(slowness())
    _set(monkeypatch, "3")
    yield
    _set(monkeypatch, before)


def _set(monkeypatch: pytest.MonkeyPatch, factor: str) -> None:
    monkeypatch.setenv(VARIABLE, factor)
    slowness.cache_clear()
    assert slowness() == float(factor)


@pytest.mark.usefixtures("slow")
async def test_every_deadline_is_scaled_by_the_factor_that_is_given() -> None:
    assert (scaled(2), slowness()) == (6, 3)
    now = asyncio.get_running_loop().time()
    async with within(100) as bound:
        assert (bound.when() or 0) - now >= 300
    with pytest.raises(AssertionError, match=r"gave up waiting until it rained, after 0\.03 s"):
        await wait_until(lambda: False, deadline_seconds=0.01, message="it rained")


@pytest.mark.parametrize(("seconds", "factor"), [(0.01, 1), (0.1, 1), (0.4, 4), (1, 10), (100, 40)])
def test_the_factor_follows_from_what_is_measured(seconds: float, factor: float) -> None:
    assert factor_of(seconds) == factor
    assert factor_of(measured()) >= 1


def test_a_whole_test_and_the_start_of_a_server_are_scaled_too(request: pytest.FixtureRequest) -> None:
    timeout = request.node.get_closest_marker("timeout")
    assert timeout.args == (scaled(float(request.config.getini("timeout"))),)
    assert EmbeddedServer.start_within_seconds == scaled(60)


def test_no_test_has_a_deadline_that_is_not_scaled() -> None:
    """A deadline is given to `wait_until`, `within`, `Program.wait_for`, or as `timeout=scaled(...)`."""
    paths = [path for path in TESTS.rglob("*.py") if not str(path.relative_to(TESTS)).startswith(EXEMPT)]
    found = [
        f"{path.relative_to(TESTS)}:{line}"
        for path in paths
        for line in unscaled(path.read_text(encoding="utf-8"))
    ]
    assert found == []


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ("asyncio.timeout(5)", [1]),
        ("asyncio.wait_for(x, SECONDS)", [1]),
        ("asyncio.wait(tasks)\nasyncio.wait(tasks, timeout=2)", [2]),
        ("subprocess.run(command, timeout=5)", [1]),
        ("subprocess.run(command, timeout=PATIENCE_SECONDS)", [1]),
        ("process.wait(10); thread.join(timeout=3.5); end.settimeout(2)", [1, 1, 1]),
        ("subprocess.run(command, timeout=scaled(5)); process.wait(scaled(10)); within(5)", []),
        ("session.get(url, timeout=timeout); ', '.join(parts); await event.wait()", []),
    ],
)
def test_a_deadline_that_is_not_scaled_is_found(source: str, lines: list[int]) -> None:
    assert list(unscaled(source)) == lines


def unscaled(source: str) -> Iterator[int]:
    """Yield the lines whose calls have a deadline of their own."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and _is_unscaled(node):
            yield node.lineno


def _is_unscaled(call: ast.Call) -> bool:
    name = ast.unparse(call.func)
    keywords = {keyword.arg: keyword.value for keyword in call.keywords}
    if name in TIMEOUTS:
        return name != "asyncio.wait" or "timeout" in keywords
    deadlines = [keywords["timeout"]] if "timeout" in keywords else []
    if name.rpartition(".")[2] in {"wait", "join", "settimeout"}:
        deadlines += call.args[:1]
    return any(_is_fixed(deadline) for deadline in deadlines)


def _is_fixed(deadline: ast.expr) -> bool:
    if isinstance(deadline, ast.Name):
        return deadline.id.isupper()
    return isinstance(deadline, ast.Constant) and isinstance(deadline.value, int | float)
