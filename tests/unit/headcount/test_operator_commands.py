"""The commands on letters, damage and gaps, without servers: help, wrong usages, servers that are away."""

import pytest
from typer.testing import CliRunner, Result

from headcount.cli import app

NOWHERE = {"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1", "REDIS_URL": "redis://:hunter2@127.0.0.1:1/0"}
COMMANDS = [
    ["dead-letters"],
    ["dead-letters", "list"],
    ["dead-letters", "show"],
    ["dead-letters", "redrive"],
    ["audit"],
    ["verify"],
    ["skip"],
    ["gaps"],
    ["gaps", "list"],
    ["gaps", "acknowledge"],
]


def call(*arguments: str) -> Result:
    return CliRunner(env={"COLUMNS": "200", "NO_COLOR": "1", **NOWHERE}).invoke(app, arguments)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_each_command_has_a_help_with_an_example(command: list[str]) -> None:
    result = call(*command, "--help")
    assert result.exit_code == 0
    assert f"Example: headcount {' '.join(command)}" in result.output.replace("`", "")


@pytest.mark.parametrize(
    "arguments",
    [
        ["dead-letters", "list", "--reason", "other"],
        ["dead-letters", "list", "--since", "soon"],
        ["dead-letters", "list", "--limit", "-1"],
        ["dead-letters", "show"],
        ["dead-letters", "show", "0:1", "--raw", "--json"],
        ["dead-letters", "show", "latest"],
        ["dead-letters", "redrive"],
        ["dead-letters", "redrive", "--all", "--reason", "not-json"],
        ["dead-letters", "redrive", "--all", "0:1"],
        ["skip"],
        ["skip", "--partition", "-1"],
        ["skip", "--partition", "0", "--to", "end"],
        ["gaps", "acknowledge", "0"],
        ["audit", "0"],
        ["verify"],
        ["verify", "--workspace", "a:b"],
        ["verify", "--workspace", "acme", "--days", "0"],
    ],
    ids=" ".join,
)
def test_a_wrong_usage_is_told_with_exit_code_2(arguments: list[str]) -> None:
    result = call(*arguments)
    assert result.exit_code == 2
    assert "Error" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "exit_code"),
    [
        (["dead-letters", "list"], 1),
        (["dead-letters", "show", "0:1"], 1),
        (["dead-letters", "redrive", "--all", "--yes"], 1),
        (["skip", "--partition", "0", "--to", "1", "--yes"], 1),
        (["gaps", "list"], 1),
        (["gaps", "acknowledge"], 1),
        (["audit"], 3),
        (["verify", "--workspace", "acme"], 3),
        (["audit", "--repair"], 3),
    ],
)
def test_a_server_that_is_away_is_told_in_one_sentence(arguments: list[str], exit_code: int) -> None:
    result = call(*arguments)
    assert result.exit_code == exit_code
    (line,) = result.stderr.splitlines()
    assert line.startswith("headcount: ")
    assert "hunter2" not in result.output
