"""The signals that end a program: the first cleanly, and within a bound."""

import asyncio
import os
import signal
from collections.abc import Iterator

import pytest

from headcount import signals
from headcount.signals import cancelled_by_signals, stopped_by_signals
from ingest.errors import UnavailableError
from tests.support.waiting import wait_until, within


@pytest.fixture(autouse=True)
def default_hangup() -> Iterator[None]:
    """Handle SIGHUP also where the tests themselves run under nohup: an ignored one stays ignored."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_the_first_signal_asks_to_stop(number: signal.Signals) -> None:
    async with within(5), stopped_by_signals() as stopping:
        os.kill(os.getpid(), number)
        await stopping.wait()


async def test_a_stop_that_takes_too_long_is_aborted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signals, "STOP_SECONDS", 0.01)

    async def be_deaf() -> None:
        async with within(5), stopped_by_signals():
            os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.Event().wait()

    with pytest.raises(UnavailableError, match="clean stop was aborted"):
        await be_deaf()


async def test_a_timeout_of_the_block_itself_is_passed_on() -> None:
    with pytest.raises(TimeoutError):
        async with stopped_by_signals():
            raise TimeoutError


async def test_the_echo_of_a_signal_is_no_second_one() -> None:
    async with within(5), stopped_by_signals() as stopping:
        os.kill(os.getpid(), signal.SIGTERM)
        await stopping.wait()
        os.kill(os.getpid(), signal.SIGTERM)  # by default it would end the test's own process
        await asyncio.sleep(0)


async def test_signals_have_their_defaults_again_after_the_first_and_after_the_block(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(signals, "ECHO_SECONDS", 0)
    before = signal.getsignal(signal.SIGTERM)
    async with within(5), stopped_by_signals() as stopping:
        assert signal.getsignal(signal.SIGTERM) != before
        os.kill(os.getpid(), signal.SIGTERM)
        await stopping.wait()
        await wait_until(lambda: signal.getsignal(signal.SIGTERM) == before, deadline_seconds=5)
    async with stopped_by_signals():
        pass
    assert signal.getsignal(signal.SIGTERM) == before


async def test_work_is_cancelled_by_a_signal_which_is_announced_and_no_error() -> None:
    steps = []

    async def work() -> None:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.Event().wait()
        finally:
            steps.append("cleaned up")

    async with within(5):
        await cancelled_by_signals(work(), steps.append)
    assert steps == ["Stopping; press Ctrl-C again to stop immediately.", "cleaned up"]


async def test_an_error_of_the_work_is_passed_on() -> None:
    async def work() -> None:
        raise UnavailableError("Kafka is away")

    with pytest.raises(UnavailableError, match="Kafka is away"):
        await cancelled_by_signals(work(), print)
