"""Services that run for the duration of a block: order, failures and stop."""

import asyncio
from functools import partial

import pytest

from headcount.demo import running as running_module
from headcount.demo.running import running
from tests.support.waiting import within


async def serve(stopping: asyncio.Event) -> None:
    await stopping.wait()


async def test_a_part_ends_with_its_block_cleanly() -> None:
    ended = []

    async def part(stopping: asyncio.Event) -> None:
        await stopping.wait()
        ended.append("cleanly")

    async with running(part):
        assert not ended
    assert ended == ["cleanly"]


async def test_parts_end_in_the_reverse_order_of_their_start_also_when_cancelled() -> None:
    ended: list[str] = []
    started = asyncio.Event()

    async def part(name: str, stopping: asyncio.Event) -> None:
        await stopping.wait()
        ended.append(name)

    async def run() -> None:
        api, worker, replay = (partial(part, name) for name in ("api", "worker", "replay"))
        async with running(api), running(worker), running(replay):
            started.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(run())
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended == ["replay", "worker", "api"]


async def test_a_part_that_fails_ends_the_block_and_the_others() -> None:
    async def failing(_stopping: asyncio.Event) -> None:
        raise OSError("the port is taken")

    ended = []

    async def part(stopping: asyncio.Event) -> None:
        await stopping.wait()
        ended.append("cleanly")

    with pytest.raises(ExceptionGroup) as caught:
        async with running(part), running(failing):
            await asyncio.Event().wait()
    assert caught.group_contains(OSError, match="the port is taken")
    assert ended == ["cleanly"]


async def test_a_part_that_does_not_stop_is_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running_module, "STOP_SECONDS", 0.01)

    async def deaf(_stopping: asyncio.Event) -> None:
        await asyncio.Event().wait()

    async with within(5), running(deaf):
        pass


async def test_a_failure_of_the_block_is_kept_apart_from_the_parts() -> None:
    with pytest.raises(ExceptionGroup) as caught:
        async with running(serve):
            raise ValueError("of the block")
    assert caught.group_contains(ValueError, match="of the block")
