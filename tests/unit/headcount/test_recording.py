"""A recording: read strictly, in constant memory, and turned into events that decode again."""

import gzip
import os
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headcount.ops.replay.recording import LINE_FORM, Activity, Survey, encode, read, shifted, survey
from headcount.ops.replay.week import SAMPLE
from ingest.errors import OperatorError
from ingest.events.event import Event, decode

FIRST = "2012-01-01T01:25\taccessibility\tfKQPdrFCkS9PoHSep\n"
MINUTE = datetime(2012, 1, 1, 1, 25, tzinfo=UTC)

Write = Callable[..., Path]

workspace_ids = st.text(st.sampled_from("abcXYZ019._-"), min_size=1, max_size=64)
user_ids = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\t\n\r\0"), min_size=1, max_size=128
)
minutes = st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1)).map(  # noqa: DTZ001 - made aware next
    lambda moment: moment.replace(second=0, microsecond=0, tzinfo=UTC)
)
activities = st.builds(Activity, minutes, workspace_ids, user_ids)


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a recording and return its path."""

    def write_lines(*lines: str, name: str = "recording.tsv") -> Path:
        path = tmp_path / name
        path.write_text("".join(lines))
        return path

    return write_lines


def refusal(path: Path) -> str:
    with pytest.raises(OperatorError) as caught:
        list(read(path))
    return str(caught.value)


def test_a_line_is_an_activity(write: Write) -> None:
    assert list(read(write(FIRST))) == [Activity(MINUTE, "accessibility", "fKQPdrFCkS9PoHSep")]


def test_the_last_line_may_lack_its_end(write: Write) -> None:
    assert len(list(read(write(FIRST, FIRST.rstrip())))) == 2


def test_a_gzipped_recording_reads_the_same(write: Write, tmp_path: Path) -> None:
    packed = tmp_path / "recording.tsv.gz"
    packed.write_bytes(gzip.compress(FIRST.encode()))
    assert list(read(packed)) == list(read(write(FIRST)))


@pytest.mark.parametrize(
    "line",
    [
        "\n",
        "2012-01-01T01:25\taccessibility\n",
        "2012-01-01T01:25\taccessibility\tfK\tmore\n",
        "2012-01-01T01:25:30\taccessibility\tfK\n",
        "2012-01-01 01:25\taccessibility\tfK\n",
        "٢٠١٢-01-01T01:25\taccessibility\tfK\n",
        "2012-01-01T01:25\twork space\tfK\n",
        "2012-01-01T01:25\t" + "w" * 65 + "\tfK\n",
        "2012-01-01T01:25\taccessibility\t\n",
        "2012-01-01T01:25\taccessibility\t" + "u" * 129 + "\n",
    ],
)
def test_a_line_of_another_form_is_refused_with_its_number(write: Write, line: str) -> None:
    path = write(FIRST, line)
    assert refusal(path) == f"{path}:2 is not of the form {LINE_FORM}."


def test_a_line_that_is_no_utf8_is_refused(write: Write) -> None:
    path = write(FIRST)
    path.write_bytes(FIRST.encode() + b"2012-01-01T01:25\taccessibility\t\xff\xfe\n")
    assert refusal(path) == f"{path}:2 is not of the form {LINE_FORM}."


def test_a_minute_that_no_calendar_has_is_refused(write: Write) -> None:
    path = write("2012-02-30T01:25\taccessibility\tfK\n")
    assert refusal(path) == f"{path}:1 has an invalid minute: day is out of range for month."


def test_a_line_out_of_order_is_refused(write: Write) -> None:
    path = write(FIRST, "2012-01-01T01:24\taccessibility\tfK\n")
    assert refusal(path) == f"{path}:2 is earlier than the line before it."


def test_a_damaged_gzip_file_is_refused(tmp_path: Path) -> None:
    for damaged in (FIRST.encode(), gzip.compress(FIRST.encode())[:-9]):
        path = tmp_path / "recording.tsv.gz"
        path.write_bytes(damaged)
        assert refusal(path).startswith(f"{path} is not a complete gzip file: ")


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    missing = tmp_path / "missing.tsv"
    assert refusal(missing) == f"{missing} can't be read: No such file or directory."
    assert refusal(tmp_path) == f"{tmp_path} can't be read: Is a directory."


def test_nothing_is_read_ahead_of_the_reader(write: Write) -> None:
    path = write(FIRST, "no activity\n")
    assert len(list(islice(read(path), 1))) == 1


def test_a_survey_counts_the_lines_and_finds_the_last_minute(write: Write) -> None:
    path = write(FIRST, "2012-01-02T00:00\taccessibility\tfK\n")
    assert survey(path) == Survey(2, datetime(2012, 1, 2, tzinfo=UTC))


def test_a_recording_without_a_line_is_refused(write: Write) -> None:
    path = write()
    with pytest.raises(OperatorError, match="holds no activity"):
        survey(path)


@given(st.lists(activities, max_size=20).map(sorted))
def test_what_is_written_line_by_line_is_read_again(
    tmp_path_factory: pytest.TempPathFactory, written: Sequence[Activity]
) -> None:
    path = tmp_path_factory.mktemp("recording") / "recording.tsv"
    lines = (f"{when:%Y-%m-%dT%H:%M}\t{where}\t{who}\n" for when, where, who in written)
    path.write_text("".join(lines), newline="")
    assert list(read(path)) == list(written)


@given(activities, st.sampled_from(["message", "login"]))
def test_an_activity_becomes_an_event_that_decodes_to_the_same(activity: Activity, event_type: str) -> None:
    assert decode(encode(activity, event_type)) == Event(
        workspace_id=activity.workspace_id,
        occurred_at=activity.occurred_at,
        type=event_type,
        user_id=activity.user_id,
    )


def test_an_event_is_one_json_object_with_a_zulu_instant() -> None:
    assert encode(Activity(MINUTE, "css", "fK"), "message") == (
        b'{"workspace_id":"css","user_id":"fK","occurred_at":"2012-01-01T01:25:00Z","type":"message"}'
    )


@given(st.lists(activities, max_size=5), st.integers(-10_000, 10_000))
def test_a_shift_moves_whole_days_and_nothing_else(recorded: Sequence[Activity], days: int) -> None:
    moved = list(shifted(recorded, days))
    assert [activity[1:] for activity in moved] == [activity[1:] for activity in recorded]
    assert [activity.occurred_at - timedelta(days=days) for activity in moved] == [
        activity.occurred_at for activity in recorded
    ]


def test_the_sample_is_a_week_in_good_form() -> None:
    sample = list(read(SAMPLE))
    assert len(sample) == 17_135
    assert {activity.occurred_at.date().day for activity in sample} == set(range(21, 28))


def test_a_pipe_is_refused_since_a_recording_is_read_twice(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(OperatorError, match="is a pipe or a device, but a recording is read twice"):
        survey(pipe)
