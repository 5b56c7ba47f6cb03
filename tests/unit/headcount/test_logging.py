"""The log: one form for our lines and the libraries', on stderr, and no secret in it."""

import json
import logging

import pytest
import structlog

from headcount.telemetry.logging import REDACTED, configure_logging


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, str]]:
    captured = capsys.readouterr()
    assert not captured.out
    return [json.loads(line) for line in captured.err.splitlines()]


def test_a_json_line_carries_event_level_logger_time_and_values(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info", "json")
    structlog.get_logger("ingest.worker.loop").info("assigned", partitions=["a:0"])
    (line,) = lines(capsys)
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "assigned",
        "level": "info",
        "logger": "ingest.worker.loop",
        "partitions": ["a:0"],
    }


def test_a_librarys_line_has_the_same_form(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info", "json")
    logging.getLogger("aiokafka.client").warning("node %s is away", 1)
    (line,) = lines(capsys)
    assert (line["event"], line["level"], line["logger"]) == ("node 1 is away", "warning", "aiokafka.client")


def test_a_console_line_is_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info", "console")
    structlog.get_logger("ingest.worker.loop").info("assigned", partitions=2)
    line = capsys.readouterr().err
    assert "[info     ] assigned" in line
    assert "partitions=2" in line


def test_lines_below_the_level_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("warning", "json")
    structlog.get_logger("a").info("left out")
    structlog.get_logger("a").warning("kept")
    assert [line["event"] for line in lines(capsys)] == ["kept"]


def test_libraries_are_quieter_than_we_are(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("debug", "json", libraries="critical")
    logging.getLogger("aiokafka.conn").error("left out")
    structlog.get_logger("a").debug("kept")
    assert [line["event"] for line in lines(capsys)] == ["kept"]


def test_what_aiokafka_repeats_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info", "json")
    for number in range(100):
        logging.getLogger("aiokafka").error("Unable connect to node with id %s", number)
    logging.getLogger("aiokafka").error("something else")
    assert [line["event"] for line in lines(capsys)] == ["Unable connect to node with id 0", "something else"]


def test_what_aiokafka_repeats_is_said_again_after_a_while(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    configure_logging("info", "json")
    monkeypatch.setattr("headcount.telemetry.logging._REPEAT_SECONDS", 0.0)
    for _ in range(2):
        logging.getLogger("aiokafka").error("Unable connect to node")
    assert len(lines(capsys)) == 2


def test_what_aiokafka_tries_again_is_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info", "json")
    logging.getLogger("aiokafka.consumer.group_coordinator").error("OffsetCommit failed, will rejoin")
    logging.getLogger("aiokafka").critical("as it is")
    logging.getLogger("aiohttp").error("as it is")
    try:
        int("x")
    except ValueError:
        logging.getLogger("aiokafka.conn").exception("as it is")
    assert [line["level"] for line in lines(capsys)] == ["warning", "critical", "error", "error"]


def test_we_may_say_a_thing_twice(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info", "json")
    for _ in range(2):
        structlog.get_logger("ingest.worker.loop").info("assigned")
    assert len(lines(capsys)) == 2


@pytest.mark.parametrize("line_format", ["console", "json"])
def test_secrets_are_hidden_wherever_a_line_holds_them(
    capsys: pytest.CaptureFixture[str], line_format: str
) -> None:
    configure_logging("info", line_format)
    structlog.get_logger("a").info("set", auth_token="hunter2", password="hunter2", redis_url="hunter2")
    logging.getLogger("redis").warning("no answer from redis://user:hunter2@host")
    try:
        int("rediss://:hunter2@host")
    except ValueError:
        structlog.get_logger("a").exception("failed")
    written = capsys.readouterr().err
    assert "hunter2" not in written
    assert written.count(REDACTED) == 3
    assert "redis://host" in written
