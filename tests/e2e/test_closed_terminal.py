"""A closed terminal ends commands cleanly, `nohup` keeps them, and no end of them leaves servers behind."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.programs import ROOT, plain_environ
from tests.e2e.test_run_ends import servers_of
from tests.support.waiting import scaled, wait_until

HEADCOUNT = (sys.executable, "-m", "headcount")
LAUNCHER = """
import fcntl, os, signal, sys, termios
signal.signal(signal.SIGHUP, getattr(signal, sys.argv[1]))
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[2], sys.argv[2:])
"""
"""Takes the terminal at stdin as its own, as a shell in a new window does, and becomes the command."""


class Terminal:
    """The outer end of a terminal, and the command in it."""

    def __init__(self, process: subprocess.Popen[bytes], outer: int) -> None:
        self.process = process
        self._outer = outer
        self._shown = b""

    async def shows(self, text: str) -> None:
        """Read until the text was shown."""
        await wait_until(lambda: self._has_shown(text), deadline_seconds=120, message=f"{text!r} was shown")

    def close(self) -> None:
        if self._outer >= 0:
            os.close(self._outer)
            self._outer = -1

    def ends_with(self) -> int:
        return self.process.wait(scaled(20))

    def _has_shown(self, text: str) -> bool:
        assert self.process.poll() is None, self._shown.decode()
        try:
            self._shown += os.read(self._outer, 65536)
        except BlockingIOError:
            return False
        return text.encode() in self._shown


@contextmanager
def in_terminal(home: Path, *arguments: str, hangup: str = "SIG_DFL", **settings: str) -> Iterator[Terminal]:
    outer, inner = os.openpty()
    os.set_blocking(outer, False)
    command = [sys.executable, "-c", LAUNCHER, hangup, *HEADCOUNT, *arguments]
    environ = plain_environ(HEADCOUNT_HOME=str(home), TERM="xterm", **settings)
    try:
        process = subprocess.Popen(
            command, cwd=ROOT, env=environ, stdin=inner, stdout=inner, stderr=inner, start_new_session=True
        )
    finally:
        os.close(inner)
    terminal = Terminal(process, outer)
    try:
        yield terminal
    finally:
        terminal.close()
        if process.poll() is None:
            process.kill()
            process.wait()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


async def test_run_and_its_servers_end_when_the_terminal_is_closed(home: Path) -> None:
    with in_terminal(home, "run") as terminal:
        await terminal.shows("people today")
        terminal.close()
        assert terminal.ends_with() == 0
    assert not servers_of(home)
    assert not (home / "run.json").exists()


async def test_a_stop_is_clean_though_the_terminal_is_gone(home: Path) -> None:
    """As after `disown`, or an SSH connection that broke."""
    with in_terminal(home, "run", hangup="SIG_IGN") as terminal:
        await terminal.shows("people today")
        terminal.close()
        terminal.process.terminate()
        assert terminal.ends_with() == 0
    assert not servers_of(home)


async def test_an_ignored_hangup_stays_ignored(home: Path) -> None:
    with in_terminal(home, "services", hangup="SIG_IGN") as terminal:
        await terminal.shows("REDIS_URL=")
        terminal.process.send_signal(signal.SIGHUP)
        terminal.close()
        with pytest.raises(subprocess.TimeoutExpired):
            terminal.process.wait(scaled(1))
        assert servers_of(home)
        terminal.process.terminate()
        assert terminal.ends_with() == 0
    assert not servers_of(home)


async def test_the_servers_of_a_killed_command_end_by_themselves(home: Path) -> None:
    with in_terminal(home, "services") as terminal:
        await terminal.shows("REDIS_URL=")
        assert servers_of(home)
        terminal.process.kill()
        await wait_until(lambda: not servers_of(home), deadline_seconds=20, message="the servers had ended")


@pytest.mark.parametrize("arguments", [("worker",), ("api",), ("api", "--processes", "2")], ids=" ".join)
async def test_a_server_ends_when_its_terminal_is_closed(home: Path, arguments: tuple[str, ...]) -> None:
    nowhere = {
        "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
        "REDIS_URL": "redis://127.0.0.1:1/0",
        "USER_ID_HASH_KEY": "k" * 32,
    }
    with in_terminal(home, *arguments, **nowhere) as terminal:
        await terminal.shows("serving metrics")
        terminal.close()
        assert terminal.ends_with() == 0
