"""The claim on the folder of a server: one run at a time, also after a run was killed."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from embedded.claim import Claim
from ingest.errors import OperatorError

RUN = """
import asyncio, subprocess, sys
from pathlib import Path
from embedded.claim import Claim

claim = Claim(Path(sys.argv[1]))
asyncio.run(claim.acquire())
command = [sys.executable, "-c", sys.argv[2], sys.argv[1]]
server = subprocess.Popen(command, pass_fds=[claim.descriptor], stdout=subprocess.PIPE)
server.stdout.readline()
if sys.argv[3] == "named":
    claim.name_server(server.pid)
print(server.pid, flush=True)
sys.stdin.read()
"""
DEAF = """
import signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print(flush=True)
signal.pause()
"""
OBEDIENT = """
import signal, sys
from pathlib import Path

def leave(*_):
    Path(sys.argv[1], "left by itself").touch()
    sys.exit()

signal.signal(signal.SIGTERM, leave)
print(flush=True)
signal.pause()
"""


@contextmanager
def killed_run(folder: Path, server: str, naming: str = "named") -> Iterator[psutil.Process]:
    """Kill a run, and yield the server that it leaves behind."""
    command = [sys.executable, "-c", RUN, str(folder), server, naming]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as run:
        assert run.stdout is not None
        leftover = psutil.Process(int(run.stdout.readline()))
        run.kill()
    yield leftover
    if leftover.is_running():
        leftover.kill()


def has_ended(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


@pytest.fixture
def claim(tmp_path: Path) -> Iterator[Claim]:
    claim = Claim(tmp_path)
    yield claim
    claim.release()


async def test_a_folder_in_use_is_refused_by_the_number_of_its_user(claim: Claim, tmp_path: Path) -> None:
    await claim.acquire()
    with pytest.raises(OperatorError, match=rf"^{tmp_path} is in use by process {os.getpid()}\."):
        await Claim(tmp_path).acquire()


async def test_a_refused_claim_leaves_the_holders_exclusive(claim: Claim, tmp_path: Path) -> None:
    await claim.acquire()
    for _ in range(2):
        with pytest.raises(OperatorError):
            await Claim(tmp_path).acquire()


async def test_a_folder_given_free_can_be_taken(claim: Claim, tmp_path: Path) -> None:
    earlier = Claim(tmp_path)
    await earlier.acquire()
    earlier.release()
    await claim.acquire()


@pytest.mark.parametrize("server", [OBEDIENT, DEAF], ids=["obedient", "deaf"])
async def test_the_server_of_a_killed_run_is_ended(
    claim: Claim, tmp_path: Path, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("embedded.claim._SECONDS_TO_END", 0.5)
    with killed_run(tmp_path, server) as leftover:
        await claim.acquire()
        assert has_ended(leftover)


async def test_a_suspended_server_of_a_killed_run_is_ended(claim: Claim, tmp_path: Path) -> None:
    with killed_run(tmp_path, OBEDIENT) as leftover:
        leftover.send_signal(signal.SIGSTOP)
        await claim.acquire()
        assert has_ended(leftover)
    assert (tmp_path / "left by itself").exists()


async def test_a_server_that_its_run_had_no_time_to_name_keeps_the_folder(tmp_path: Path) -> None:
    """The pid is unknown, but the server holds the lock, so a second server on its data is refused."""
    refused = pytest.raises(OperatorError, match="is in use by another process")
    with killed_run(tmp_path, OBEDIENT, "unnamed"), refused:
        await Claim(tmp_path).acquire()


async def test_a_younger_process_with_the_leftovers_number_is_spared(tmp_path: Path) -> None:
    bystander = psutil.Process()
    gone = {"pid": bystander.pid, "created": bystander.create_time() - 60}
    with killed_run(tmp_path, OBEDIENT, "unnamed"):
        (tmp_path / "lock").write_text(json.dumps({"owner": gone, "server": gone}))
        with pytest.raises(OperatorError, match="is in use by another process"):
            await Claim(tmp_path).acquire()


async def test_a_damaged_record_does_not_stand_in_the_way(claim: Claim, tmp_path: Path) -> None:
    (tmp_path / "lock").write_bytes(b"\0garbage")
    await claim.acquire()
    with pytest.raises(OperatorError, match=f"process {os.getpid()}"):
        await Claim(tmp_path).acquire()
