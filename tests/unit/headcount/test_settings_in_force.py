"""`headcount settings`: the values in force, their sources, and names that are near misses."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from headcount.cli import app
from headcount.settings import Settings, settings_in_force, unknown_settings

SECRET = "hunter2hunter2hunter2hunter2hunter2"


def show(*arguments: str, environ: Mapping[str, str]) -> Result:
    return CliRunner(env=dict(environ)).invoke(app, ["settings", *arguments])


def test_each_setting_is_shown_with_its_source(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(SECRET)
    environ = {"HTTP_PORT": "9000", "TIME_ZONE": "Europe/Vienna", "USER_ID_HASH_KEY_FILE": str(file)}
    found = {each["name"]: each for each in json.loads(show("--json", environ=environ).stdout)["settings"]}
    assert set(found) == {name.upper() for name in Settings.model_fields}
    assert found["HTTP_PORT"] == {
        "name": "HTTP_PORT", "value": "9000", "source": "environment", "file": None
    }  # fmt: skip
    assert found["TIME_ZONE"]["value"] == "Europe/Vienna"
    assert found["RETENTION_DAYS"]["value"] == "400"
    assert found["RETENTION_DAYS"]["source"] == "default"
    assert found["USER_ID_HASH_KEY"] == {
        "name": "USER_ID_HASH_KEY", "value": "[redacted]", "source": "file", "file": str(file)
    }  # fmt: skip


def test_no_secret_is_shown() -> None:
    environ = {
        "REDIS_URL": f"redis://operator:{SECRET}@redis:6379/2?client_name={SECRET}",
        "USER_ID_HASH_KEY": SECRET,
        "KAFKA_SASL_PASSWORD": SECRET,
        "KAFKA_SSL_KEY_PASSWORD": SECRET,
    }
    for arguments in ((), ("--json",)):
        shown = show(*arguments, environ=environ)
        assert shown.exit_code == 0
        assert SECRET not in shown.output
        assert "redis://redis:6379/2" in shown.output


def test_values_are_shown_as_they_are_set() -> None:
    environ = {
        "WORKER_METRICS_PORT": "off",
        "TRUSTED_PROXIES": "10.0.0.0/8, fd00::/8",
        "IGNORED_USER_TYPES": "bot,app",
        "HTTP_KEEP_ALIVE_SECONDS": "1.5",
    }
    values = {each.name: each.value for each in settings_in_force(environ)}
    assert values["WORKER_METRICS_PORT"] == "off"
    assert values["TRUSTED_PROXIES"] == "10.0.0.0/8,fd00::/8"
    assert values["IGNORED_USER_TYPES"] == "app,bot"
    assert values["HTTP_KEEP_ALIVE_SECONDS"] == "1.5"
    assert values["KAFKA_SASL_USERNAME"] is None


def test_wrong_values_are_refused_in_a_sentence() -> None:
    shown = show(environ={"HTTP_PORT": "many"})
    assert shown.exit_code == 1
    assert shown.stderr.startswith("headcount: Invalid HTTP_PORT='many'")


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("RETENTION_DAY", "RETENTION_DAYS"),
        ("TIMEZONE", "TIME_ZONE"),
        ("KAFKA_BOOTSTRAP_SERVER", "KAFKA_BOOTSTRAP_SERVERS"),
        ("KAFKA_SASL_USER", "KAFKA_SASL_USERNAME"),
        ("LOGLEVEL", "LOG_LEVEL"),
        ("http_port", "HTTP_PORT"),
        ("HEADCOUNT_REDIS_URL", "REDIS_URL"),
        ("KAFKA_TOPIC_FILE", "KAFKA_TOPIC"),
        ("USER_ID_HASHKEY_FILE", "USER_ID_HASH_KEY_FILE"),
    ],
)
def test_a_name_that_looks_like_a_setting_is_reported(name: str, meant: str) -> None:
    (unknown,) = unknown_settings({name: "1", "PATH": "/bin"})
    assert (unknown.name, unknown.meant) == (name, meant)
    assert f"! {name} has no effect: it is not a setting. Did you mean {meant}?" in show(
        environ={name: "1"}
    ).stdout.replace("\n", " ")


@pytest.mark.parametrize(
    "name",
    [
        "PATH", "HOME", "TZ", "HTTP_PROXY", "HTTPS_PROXY", "KAFKA_HOME", "KAFKA_PORT", "REDIS_PORT",
        "REDIS_SERVICE_HOST", "KAFKA_PORT_9092_TCP", "KAFKA_OPTS", "PROMETHEUS_MULTIPROC_DIR",
        "HEADCOUNT_TEST_SLOWNESS", "REDIS_URL_FILE",
    ],
)  # fmt: skip
def test_variables_of_other_programs_are_ignored(name: str) -> None:
    """Kubernetes sets REDIS_PORT and the like by itself, for a service of that name."""
    assert not unknown_settings({name: "1"})


@pytest.mark.parametrize("command", ["worker", "api"])
def test_a_start_warns_of_such_names(command: str) -> None:
    environ = {
        "RETENTION_DAY": "7", "HTTP_HOST": "256.256.256.256", "METRICS_HOST": "256.256.256.256",
        "REDIS_URL": "redis://127.0.0.1:1", "LOG_FORMAT": "json",
    }  # fmt: skip
    shown = CliRunner(env=environ).invoke(app, [command])
    assert shown.exit_code == 1
    lines = [json.loads(line) for line in shown.stderr.splitlines() if line.startswith("{")]
    (line,) = [line for line in lines if line["event"] == "unknown setting has no effect"]
    assert (line["level"], line["name"], line["meant"]) == ("warning", "RETENTION_DAY", "RETENTION_DAYS")
