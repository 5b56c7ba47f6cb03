"""The child process: its start, the sentences of a start that fails, and its end."""

import asyncio
import errno
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil
import pytest

from embedded import refusals
from embedded.ports import choose_port, find_free_port
from embedded.refusals import raise_on_full_disk, system_errors_named
from embedded.server import EmbeddedServer
from ingest.errors import OperatorError
from tests.support.waiting import wait_until, within

LISTEN = "import socket, sys; server = socket.create_server(('127.0.0.1', int(sys.argv[1]))); server.accept()"
DEAF = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {LISTEN}"
IDLE = "import signal; signal.pause()"


class Script(EmbeddedServer):
    """A server that is a line of Python."""

    name = "script"
    _error_line = re.compile("ERROR")

    def __init__(self, home: Path, script: str, port: int | None = None) -> None:
        super().__init__(home, port)
        self.script = script

    async def _prepare(self) -> Sequence[str]:
        self._port = choose_port(self.folder / "port", self._wanted_port)
        return [sys.executable, "-c", self.script, str(self._port)]

    def _is_serving(self) -> bool:
        return self._listens()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Script]:
    script = Script(tmp_path, LISTEN)
    yield script
    script.kill()


async def test_a_started_server_serves_on_its_port(server: Script) -> None:
    await server.start()
    socket.create_connection(("127.0.0.1", server.port)).close()


OWNER = """
import asyncio, sys, time
from pathlib import Path
from tests.unit.embedded.test_server import LISTEN, Script

server = Script(Path(sys.argv[1]), LISTEN)
asyncio.run(server.start())
print(server.pid, file=sys.stderr, flush=True)
sys.stdin.read()
"""


async def test_a_server_ends_by_itself_when_its_owner_is_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", OWNER, str(tmp_path)]
    root = Path(__file__).parents[3]
    with subprocess.Popen(  # noqa: ASYNC220 - it starts while nothing else runs
        command, cwd=root, stdin=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    ) as owner:
        assert owner.stderr is not None
        server = psutil.Process(int(owner.stderr.readline()))
        assert server.is_running()
        owner.kill()  # and not waited for: it stays in the process table meanwhile
        await wait_until(
            lambda: not server.is_running() or server.status() == psutil.STATUS_ZOMBIE,
            message="the server had ended",
        )
    again = Script(tmp_path, LISTEN)
    await again.start()
    again.kill()


async def test_no_watchdog_outlives_its_server(server: Script) -> None:
    others = set(psutil.Process().children())
    await server.start()
    children = set(psutil.Process().children()) - others
    assert len(children) == 2, "the server and its watchdog"
    await server.stop()
    assert not any(child.is_running() for child in children)


async def test_a_server_is_out_of_reach_of_the_terminals_interrupt(server: Script) -> None:
    await server.start()
    assert server.pid is not None
    assert os.getsid(server.pid) != os.getsid(0)
    assert os.getpgid(server.pid) != os.getpgid(0)


async def test_a_server_sees_nothing_of_our_environment(
    server: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAFKA_SASL_PASSWORD", "hunter2")
    await server.start()
    assert "KAFKA_SASL_PASSWORD" not in psutil.Process(server.pid).environ()


async def test_the_port_stays_over_stops_and_kills(server: Script) -> None:
    await server.start()
    port = server.port
    await server.stop()
    await server.start()
    assert server.port == port
    server.kill()
    await server.start()
    assert server.port == port


async def test_the_port_stays_for_the_next_run_on_the_home(server: Script, tmp_path: Path) -> None:
    await server.start()
    await server.stop()
    later = Script(tmp_path, LISTEN)
    await later.start()
    await later.stop()
    assert later.port == server.port


async def test_a_server_that_ended_by_itself_can_be_started_again(server: Script) -> None:
    await server.start()
    psutil.Process(server.pid).kill()
    await wait_until(lambda: not server.is_running)
    await server.start()
    assert server.is_running


async def test_stop_ends_the_process_and_gives_the_home_free(server: Script, tmp_path: Path) -> None:
    await server.start()
    process = psutil.Process(server.pid)
    await server.stop()
    assert not process.is_running()
    assert server.pid is None
    other = Script(tmp_path, LISTEN)
    await other.start()
    await other.stop()


async def test_stop_of_a_server_that_does_not_run_is_no_error(server: Script) -> None:
    await server.stop()
    await server.start()
    server.kill()
    await server.stop()


async def test_a_deaf_server_is_ended_at_the_deadline(server: Script) -> None:
    server.script = DEAF
    await server.start()
    process = psutil.Process(server.pid)
    await server.stop(0.1)
    assert not process.is_running()


async def test_a_stop_that_is_cut_short_leaves_no_process(server: Script) -> None:
    server.script = DEAF
    await server.start()
    process = psutil.Process(server.pid)
    stopping = asyncio.create_task(server.stop(60))
    await asyncio.sleep(0)
    stopping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stopping
    assert not process.is_running()


async def test_a_start_that_is_cut_short_leaves_no_process(server: Script) -> None:
    server.script = IDLE
    start = asyncio.create_task(server.start())
    await wait_until(lambda: server.is_running)
    process = psutil.Process(server.pid)
    start.cancel()
    with pytest.raises(asyncio.CancelledError):
        await start
    assert not process.is_running()


async def test_a_suspended_server_stops_in_time(server: Script) -> None:
    await server.start()
    process = psutil.Process(server.pid)
    server.suspend()
    await wait_until(lambda: process.status() == psutil.STATUS_STOPPED)
    await server.stop()
    assert not process.is_running()
    assert server._child is not None
    assert server._child.returncode == -signal.SIGTERM


async def test_a_suspended_server_goes_on_when_resumed(server: Script) -> None:
    await server.start()
    process = psutil.Process(server.pid)
    server.suspend()
    await wait_until(lambda: process.status() == psutil.STATUS_STOPPED)
    server.resume()
    await wait_until(lambda: process.status() != psutil.STATUS_STOPPED)


async def test_a_taken_port_is_refused_by_its_number(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OperatorError, match=rf"^Port {port} on 127\.0\.0\.1 is taken"):
            await Script(tmp_path, LISTEN, port).start()


async def test_a_recorded_port_that_was_taken_meanwhile_is_replaced(server: Script) -> None:
    await server.start()
    port = server.port
    await server.stop()
    with socket.create_server(("127.0.0.1", port)):
        await server.start()
        assert server.port != port


def test_a_second_port_is_not_the_first_while_nobody_listens_there_yet(tmp_path: Path) -> None:
    port = find_free_port()
    record = tmp_path / "second"
    record.write_text(f"{port}\n")
    assert choose_port(record) == port
    second = choose_port(record, reserved={port})
    assert second != port
    assert choose_port(record, reserved={port}) == second


def test_a_port_that_is_spoken_for_is_not_found_free(monkeypatch: pytest.MonkeyPatch) -> None:
    first = find_free_port()
    ports = [first, find_free_port(reserved={first})]
    monkeypatch.setattr("embedded.ports._CANDIDATES", ports)
    assert find_free_port(reserved={ports[0]}) == ports[1]


async def test_another_program_on_the_port_is_not_taken_for_the_server(tmp_path: Path) -> None:
    """It may take the port between our look at it and the server's start."""
    port = find_free_port()
    server = Script(tmp_path, IDLE, port)
    server.start_within_seconds = 0.5
    start = asyncio.create_task(server.start())
    await wait_until(lambda: server.is_running)
    with socket.create_server(("127.0.0.1", port)), pytest.raises(OperatorError, match="did not serve"):
        await start


async def test_a_server_that_dies_is_refused_with_its_error_line_and_its_log(server: Script) -> None:
    server.script = "print('fine'); print('ERROR the moon is full.'); print('bye')"
    with pytest.raises(OperatorError) as refusal:
        await server.start()
    assert str(refusal.value) == (
        f"script exited during startup: ERROR the moon is full. Its log: {server.log_path}"
    )


async def test_the_error_line_is_of_this_start_and_not_of_one_before(server: Script) -> None:
    server.script = "print('ERROR of old')"
    with pytest.raises(OperatorError, match="ERROR of old"):
        await server.start()
    server.script = "print('only this')"
    with pytest.raises(OperatorError, match="only this"):
        await server.start()


async def test_a_server_that_dies_of_a_full_disk_says_so(server: Script) -> None:
    server.script = "print('ERROR No space left on device'); print('ERROR giving up')"
    with pytest.raises(OperatorError, match=r"^The disk that holds .* is full\. Free some space"):
        await server.start()


async def test_a_server_that_does_not_serve_in_time_is_refused_and_ended(server: Script) -> None:
    server.script = IDLE
    server.start_within_seconds = 0.1
    with pytest.raises(OperatorError, match=r"^script did not serve within 0\.1 s"):
        await server.start()
    assert not server.is_running


async def test_a_home_that_is_a_file_is_refused(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.write_text("not a folder")
    with pytest.raises(
        OperatorError, match=rf"^{home}.* must be a folder that this user can write to; set HEADCOUNT_HOME"
    ):
        await Script(home, LISTEN).start()


def test_a_full_disk_is_reported_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="is full"), system_errors_named(tmp_path):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


async def test_a_disk_that_fills_up_ends_what_runs_on_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refusals, "_CHECK_SECONDS", 0.001)
    stopping = asyncio.Event()
    looking = asyncio.create_task(raise_on_full_disk(tmp_path, stopping))
    await asyncio.sleep(0)
    assert not looking.done()
    usage = shutil.disk_usage(tmp_path)._replace(free=1_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _folder: usage)
    with pytest.raises(OperatorError, match=rf"^The disk that holds {tmp_path} is full\. Free some space"):
        async with within(10):
            await looking


async def test_the_look_at_the_disk_ends_with_what_runs_on_it(tmp_path: Path) -> None:
    stopping = asyncio.Event()
    looking = asyncio.create_task(raise_on_full_disk(tmp_path, stopping))
    stopping.set()
    async with within(10):
        await looking
