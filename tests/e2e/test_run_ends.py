"""How `headcount run` ends where it can't start, or is stopped while it does: with nothing left behind."""

import socket
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from headcount.demo.home import lock_home
from tests.e2e.programs import ROOT, Program, plain_environ, started
from tests.faults.disks import may_mount, small_disk


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@contextmanager
def run(home: Path, *, port: int) -> Iterator[Program]:
    environ = plain_environ(HEADCOUNT_HOME=str(home), HTTP_PORT=str(port))
    command = [sys.executable, "-m", "headcount", "run"]
    output = home.with_name("run.out")
    with started(command, environ=environ, folder=ROOT, output=output) as program:
        yield program


def servers_of(home: Path) -> list[psutil.Process]:
    """Return every process that works in the home folder."""
    return [
        process
        for process in psutil.process_iter(["cwd"])
        if process.info["cwd"] and Path(process.info["cwd"]).is_relative_to(home)
    ]


INTERRUPT_AN_IMPORT = """
import runpy, sys
from importlib.abc import MetaPathFinder

class Interrupt(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "headcount.cli":
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interrupt())
runpy.run_module("headcount", run_name="__main__")
"""


def test_ctrl_c_while_the_command_is_being_imported_prints_no_traceback() -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert scripts == {"headcount": "headcount.__main__:main"}  # it is what is run here as a module
    ended = subprocess.run(
        [sys.executable, "-c", INTERRUPT_AN_IMPORT], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "")


def test_a_taken_port_is_reported_in_one_line(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        with run(home, port=port) as program:
            assert program.end(deadline_seconds=120) == 1
    (sentence,) = program.read().splitlines()
    assert sentence.startswith(f"headcount: HTTP_PORT {port} on 127.0.0.1 is not available: ")
    assert not servers_of(home)


def test_a_second_run_in_the_home_reports_the_first_and_not_its_ports(home: Path) -> None:
    with lock_home(home), socket.create_server(("127.0.0.1", 0)) as listening:
        with run(home, port=listening.getsockname()[1]) as program:
            assert program.end(deadline_seconds=120) == 1
        assert program.read() == (
            f"headcount: Another Headcount is running in {home}. "
            "Stop it first, or set another HEADCOUNT_HOME.\n"
        )


@pytest.mark.skipif(not may_mount(), reason="a small disk needs the right to mount; see test_embedded_server")
def test_a_disk_that_fills_up_ends_it_with_a_sentence(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 1_000_000):
        home = tmp_path / "disk" / "home"
        with started(
            [sys.executable, "-m", "headcount", "run"],
            environ=plain_environ(HEADCOUNT_HOME=str(home)),
            folder=ROOT,
            output=tmp_path / "run.out",
        ) as program:
            assert program.end(deadline_seconds=120) == 1
        assert program.read().splitlines()[-1] == (
            f"headcount: The disk that holds {home} is full. Free some space, then start again."
        )
        assert not servers_of(home)


def test_a_stop_while_the_servers_start_is_clean(home: Path) -> None:
    with run(home, port=0) as program:
        program.wait_for(lambda: servers_of(home), deadline_seconds=60)
        assert program.stop() == 0
    assert "Traceback" not in program.read()
    assert not servers_of(home)
    assert not (home / "run.json").exists()
