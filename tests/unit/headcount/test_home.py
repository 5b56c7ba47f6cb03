"""The home folder: one Headcount at a time, and files for its owner only."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from headcount.demo.home import key_file, lock_home, read_key, read_private, write_private
from headcount.wiring import load_config
from ingest.errors import OperatorError

OCCUPY = """
import sys
from pathlib import Path
from headcount.demo.home import key_file, read_key
from headcount.demo.home import lock_home
with lock_home(Path(sys.argv[1])):
    pass
"""


def mode(path: Path) -> str:
    return oct(path.stat().st_mode & 0o777)


def test_the_folder_is_made_for_its_owner_only(tmp_path: Path) -> None:
    with lock_home(tmp_path / "a" / "home") as home:
        assert mode(home) == "0o700"


def test_a_folder_that_was_there_keeps_its_mode(tmp_path: Path) -> None:
    tmp_path.chmod(0o750)
    with lock_home(tmp_path) as home:
        assert mode(home) == "0o750"


def test_a_second_headcount_is_refused_and_one_after_the_first_is_not(tmp_path: Path) -> None:
    with lock_home(tmp_path):
        second = subprocess.run(
            [sys.executable, "-c", OCCUPY, str(tmp_path)], capture_output=True, text=True, check=False
        )
        assert f"Another Headcount is running in {tmp_path}." in second.stderr
    subprocess.run([sys.executable, "-c", OCCUPY, str(tmp_path)], check=True)


@pytest.mark.parametrize("inside", ["", "home"])
def test_a_folder_that_can_not_be_had_is_refused_with_the_setting(inside: str, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("not a folder")
    home = file / inside
    match = f"^{home}: .* must be a folder that this user can write to; set HEADCOUNT_HOME to choose another"
    with pytest.raises(OperatorError, match=match), lock_home(home):
        pass


def test_a_full_disk_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object, **_options: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "open", refuse)
    with (
        pytest.raises(OperatorError, match=f"^The disk that holds {tmp_path} is full"),
        lock_home(tmp_path),
    ):
        pass


def test_the_same_process_is_refused_as_well(tmp_path: Path) -> None:
    with (
        lock_home(tmp_path),
        pytest.raises(OperatorError, match="Another Headcount"),
        lock_home(tmp_path),
    ):
        pass


def test_a_document_is_read_back_and_only_its_owner_may(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    write_private(path, {"pid": 1})
    write_private(path, {"pid": 2})
    assert read_private(path) == {"pid": 2}
    assert mode(path) == "0o600"
    assert list(tmp_path.iterdir()) == [path]


def test_what_an_interrupted_write_left_behind_is_no_obstacle(tmp_path: Path) -> None:
    left_behind = tmp_path / "run.unfinished"
    left_behind.write_text("{")
    left_behind.chmod(0o644)
    write_private(tmp_path / "run.json", {"pid": 1})
    assert mode(tmp_path / "run.json") == "0o600"


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[1]"])
def test_a_damaged_document_holds_nothing(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "run.json"
    path.write_bytes(content)
    assert read_private(path) == {}


def test_a_missing_document_holds_nothing(tmp_path: Path) -> None:
    assert read_private(tmp_path / "run.json") == {}


def test_a_key_is_made_once_and_settings_take_its_file(tmp_path: Path) -> None:
    path = key_file(tmp_path)
    assert (path.is_absolute(), mode(path)) == (True, "0o600")
    kept = load_config({"USER_ID_HASH_KEY_FILE": str(path)}).counting.user_id_hash_key
    assert kept is not None
    assert kept == read_key(path) == read_key(key_file(tmp_path))


def test_each_home_has_a_key_of_its_own(tmp_path: Path) -> None:
    homes = [tmp_path / name for name in ("one", "two")]
    for home in homes:
        home.mkdir()
    assert len({read_key(key_file(home)) for home in homes}) == 2


def test_a_key_that_was_damaged_is_not_replaced(tmp_path: Path) -> None:
    """What was counted under it would fit no other."""
    path = tmp_path / "user-id-hash-key"
    path.write_text("cut short\n")
    with pytest.raises(OperatorError, match="Restore the file"):
        key_file(tmp_path)
    assert path.read_text() == "cut short\n"
