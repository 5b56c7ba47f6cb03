"""The folder of files through which processes add up their metrics: where it is, and what is in it."""

from pathlib import Path

import pytest

from headcount.telemetry.sharing import FOLDER, emptied_folder
from ingest.errors import OperatorError


def test_a_folder_of_its_own_is_gone_afterwards() -> None:
    with emptied_folder({}) as folder:
        (folder / "counter_1.db").touch()
    assert not folder.exists()


def test_a_folder_that_is_named_is_kept_without_what_an_earlier_run_has_left(tmp_path: Path) -> None:
    named = tmp_path / "metrics"
    named.mkdir()
    (named / "counter_1.db").touch()
    (named / "notes.txt").touch()
    with emptied_folder({FOLDER: str(named)}) as folder:
        assert folder == named
        assert [each.name for each in folder.iterdir()] == ["notes.txt"]
    assert named.exists()


def test_a_folder_that_is_missing_is_made(tmp_path: Path) -> None:
    with emptied_folder({FOLDER: str(tmp_path / "new" / "metrics")}) as folder:
        assert folder.is_dir()


def test_a_folder_that_can_not_be_had_is_refused_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(OperatorError, match=r"Not a directory\. Set PROMETHEUS_MULTIPROC_DIR to"),
        emptied_folder({FOLDER: str(tmp_path / "file" / "metrics")}),
    ):
        pass
