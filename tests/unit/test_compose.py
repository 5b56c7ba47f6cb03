"""What compose.yaml and the Dockerfile promise to whoever exposes the machine that they run on."""

import re
import shlex
import subprocess
import tomllib
from itertools import pairwise
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import pytest
from ruamel.yaml import YAML

from embedded.jars import KAFKA_VERSION
from headcount.settings import Settings, load_settings

Compose = dict[str, Any]

ROOT: Final = Path(__file__).parents[2]
DOCKERFILE: Final = (ROOT / "Dockerfile").read_text()
VERSION: Final = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
SERVICES: Final = ("kafka", "valkey", "worker", "api")
OURS: Final = ("worker", "api")
PARTS: Final = (*OURS, "operator")
ADMINISTRATOR: Final = "admin"
MADE_UP: Final = "a secret that is as long as each has to be"
KEY: Final = "user-id-hash-key"
MONITORING: Final = ("prometheus", "grafana")
HAS_EXACT_VERSION: Final = re.compile(r"^[\w./-]+:v?\d+\.\d+\.\d+[\w.-]*$").match


@pytest.fixture(scope="module")
def compose() -> Compose:
    """The file with no variable set: each takes its default."""
    text = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", (ROOT / "compose.yaml").read_text())
    assert "$" not in text
    document: Compose = YAML(typ="safe").load(text)
    return document


def instructions(name: str) -> list[str]:
    """Return what follows each instruction of that name, with its continued lines joined."""
    joined = DOCKERFILE.replace("\\\n", " ")
    return re.findall(rf"^{name} +(.*)$", joined, re.MULTILINE)


def environment_of(compose: Compose, service: str) -> dict[str, str]:
    return {name: value or "" for name, value in compose["services"][service]["environment"].items()}


def settings_of(compose: Compose, service: str, secrets: Path) -> Settings:
    """Load the settings with made-up secrets in the place of those in the container."""
    environment = environment_of(compose, service)
    for name in compose["services"][service]["secrets"]:
        (secrets / name).write_text(MADE_UP)
    return load_settings(
        {name: value.replace("/run/secrets", str(secrets)) for name, value in environment.items()}
    )


def test_nothing_but_these_four_is_run_unless_asked_for(compose: Compose) -> None:
    assert {name for name, each in compose["services"].items() if "profiles" not in each} == set(SERVICES)


def test_monitoring_is_run_only_when_asked_for(compose: Compose) -> None:
    assert all(compose["services"][name]["profiles"] == ["monitoring"] for name in MONITORING)


def test_commands_are_run_as_a_user_of_their_own(compose: Compose) -> None:
    operator = compose["services"]["operator"]
    assert (operator["profiles"], operator["restart"]) == (["operator"], "no")
    assert operator.keys().isdisjoint({"ports", "volumes"})


@pytest.mark.parametrize("service", [*SERVICES, *MONITORING, "operator"])
def test_every_image_is_of_an_exact_version(compose: Compose, service: str) -> None:
    assert HAS_EXACT_VERSION(compose["services"][service]["image"])


def test_the_base_image_is_of_an_exact_version_and_named_once() -> None:
    bases = [stage.split()[0] for stage in instructions("FROM")]
    assert HAS_EXACT_VERSION(bases[0])
    assert set(bases[1:]) == {"base"}


@pytest.mark.parametrize("service", PARTS)
def test_our_image_is_of_this_version_and_never_pulled(compose: Compose, service: str) -> None:
    definition = compose["services"][service]
    assert (definition["image"], definition["build"]) == (f"headcount:{VERSION}", ".")
    assert definition["pull_policy"] == "build"
    assert f'org.opencontainers.image.version="{VERSION}"' in DOCKERFILE


def test_kafka_is_the_version_that_is_embedded(compose: Compose) -> None:
    assert compose["services"]["kafka"]["image"] == f"apache/kafka:{KAFKA_VERSION}"


@pytest.mark.parametrize("service", [*SERVICES, *MONITORING, "operator"])
def test_no_container_runs_as_root(compose: Compose, service: str) -> None:
    user = compose["services"][service].get("user", instructions("USER")[-1])
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user)


@pytest.mark.parametrize("service", [*SERVICES, *MONITORING, "operator"])
def test_every_container_is_confined(compose: Compose, service: str) -> None:
    definition = compose["services"][service]
    assert definition["read_only"] is True
    assert definition["cap_drop"] == ["ALL"]
    assert definition["security_opt"] == ["no-new-privileges:true"]
    assert {"mem_limit", "pids_limit"} <= definition.keys()
    assert definition.keys().isdisjoint({"privileged", "cap_add", "network_mode", "pid", "ipc", "devices"})


@pytest.mark.parametrize("service", [*SERVICES, *MONITORING])
def test_every_container_tells_its_health_and_stops_cleanly(compose: Compose, service: str) -> None:
    definition = compose["services"][service]
    assert {"test", "interval", "timeout", "retries", "start_period"} <= definition["healthcheck"].keys()
    assert definition["restart"] == "unless-stopped"
    assert definition["init"] is True
    assert re.fullmatch(r"\d\ds", definition["stop_grace_period"])


def test_only_kafka_and_the_api_are_published_and_only_to_this_machine(compose: Compose) -> None:
    published = {name: each["ports"] for name, each in compose["services"].items() if "ports" in each}
    watching = {name: published.pop(name) for name in MONITORING}
    assert published == {"kafka": ["127.0.0.1:9092:19092"], "api": ["127.0.0.1:8080:8080"]}
    assert watching == {"prometheus": ["127.0.0.1:9090:9090"], "grafana": ["127.0.0.1:3000:3000"]}


def test_valkey_can_be_reached_by_worker_and_api_alone(compose: Compose) -> None:
    beside = {name for name, each in compose["services"].items() if "counters" in each["networks"]}
    assert beside == {"valkey", "worker", "api", "operator"}
    assert compose["services"]["valkey"]["networks"] == ["counters"]
    assert compose["networks"]["counters"] == {"internal": True}


def test_valkey_keeps_every_write_and_evicts_nothing(compose: Compose) -> None:
    words = shlex.split(" ".join(compose["services"]["valkey"]["command"]))
    options = dict(pairwise(words))
    assert options["--appendonly"] == "yes"
    assert options["--appendfsync"] == "everysec"
    assert options["--maxmemory-policy"] == "noeviction"


@pytest.mark.parametrize(("service", "folder"), [("kafka", "/var/lib/kafka/data"), ("valkey", "/data")])
def test_data_outlives_its_container(compose: Compose, service: str, folder: str) -> None:
    assert compose["services"][service]["volumes"] == [f"{service}:{folder}"]
    assert service in compose["volumes"]


def test_kafka_keeps_its_log_in_the_volume(compose: Compose) -> None:
    assert environment_of(compose, "kafka")["KAFKA_LOG_DIRS"] == "/var/lib/kafka/data"


def test_kafka_may_load_the_codecs_it_unpacks(compose: Compose) -> None:
    mounts = dict(mount.split(":") for mount in compose["services"]["kafka"]["tmpfs"])
    assert "exec" in mounts["/tmp"].split(",")  # noqa: S108 - a folder inside the container


@pytest.mark.parametrize("service", PARTS)
def test_every_variable_is_a_setting_and_every_value_is_taken(
    compose: Compose, service: str, tmp_path: Path
) -> None:
    environment = environment_of(compose, service)
    assert {name.lower().removesuffix("_file") for name in environment} <= Settings.model_fields.keys()
    settings_of(compose, service, tmp_path)


def test_addresses_are_those_of_the_services(compose: Compose, tmp_path: Path) -> None:
    worker, api, operator = (settings_of(compose, service, tmp_path) for service in PARTS)
    assert worker.kafka_bootstrap_servers == operator.kafka_bootstrap_servers == "kafka:9092"
    assert {each.redis_url_redacted for each in (worker, api, operator)} == {"redis://valkey:6379/0"}
    assert (api.http_host, api.http_port) == ("0.0.0.0", 8080)


@pytest.mark.parametrize("service", PARTS)
def test_each_part_is_its_own_user_of_redis_and_knows_no_other_password(
    compose: Compose, service: str, tmp_path: Path
) -> None:
    known = compose["services"][service]["secrets"]
    assert [name for name in known if name.startswith("redis-")] == [f"redis-{service}"]
    assert environment_of(compose, service)["REDIS_PASSWORD_FILE"] == f"/run/secrets/redis-{service}"
    assert urlsplit(environment_of(compose, service)["REDIS_URL"]).username == service
    password = settings_of(compose, service, tmp_path).redis_password
    assert password
    assert password.get_secret_value() == MADE_UP


def test_the_key_for_user_ids_is_known_to_who_counts_and_to_nobody_else(compose: Compose) -> None:
    knowing = {name for name, each in compose["services"].items() if KEY in each.get("secrets", ())}
    assert knowing == {"worker", "operator"}
    for service in knowing:
        assert environment_of(compose, service)["USER_ID_HASH_KEY_FILE"] == f"/run/secrets/{KEY}"


def test_valkey_runs_with_the_shipped_users(compose: Compose) -> None:
    valkey = compose["services"]["valkey"]
    files = {each["target"]: compose["configs"][each["source"]]["file"] for each in valkey["configs"]}
    interpreter, script, template, secrets, target, *_ = valkey["command"]
    assert (interpreter, files[script], files[template], secrets) == (
        "sh",
        "deploy/redis/with-users.sh",
        "deploy/redis/users.acl",
        "/run/secrets",
    )
    assert f"--aclfile {target}" in valkey["command"]
    assert valkey["secrets"] == [f"redis-{user}" for user in (*PARTS, ADMINISTRATOR)]


def test_no_secret_is_in_the_repository(compose: Compose) -> None:
    files = {name: each["file"] for name, each in compose["secrets"].items()}
    names = [*(f"redis-{user}" for user in (*PARTS, ADMINISTRATOR)), KEY]
    assert files == {name: f"secrets/{name}" for name in names}
    assert "secrets/" in (ROOT / ".gitignore").read_text().splitlines()


@pytest.mark.parametrize(
    "setting",
    ["time_zone", "ignored_event_types", "ignored_user_types", "retention_days", "bucket_retention_days"],
)
def test_all_parts_agree_on_what_is_counted(compose: Compose, setting: str, tmp_path: Path) -> None:
    parts = [settings_of(compose, service, tmp_path) for service in PARTS]
    assert len({getattr(each, setting) for each in parts}) == 1


@pytest.mark.parametrize(("service", "needed"), [("worker", {"kafka", "valkey"}), ("api", {"valkey"})])
def test_each_starts_after_the_servers_it_needs(compose: Compose, service: str, needed: set[str]) -> None:
    wanted = {server: {"condition": "service_healthy"} for server in needed}
    assert compose["services"][service]["depends_on"] == wanted


def test_workers_can_be_scaled(compose: Compose) -> None:
    assert compose["services"]["worker"].keys().isdisjoint({"container_name", "ports", "hostname", "volumes"})


def test_packages_come_from_the_lock_as_wheels() -> None:
    (install,) = [step for step in instructions("RUN") if "--requirement" in step]
    assert {"--require-hashes", "--only-binary"} <= set(install.split())


def test_no_secret_is_a_build_argument() -> None:
    assert instructions("ARG") == ["REVISION=unknown"]


def test_only_what_is_copied_is_sent_to_the_builder() -> None:
    sent = [
        line.removeprefix("!") for line in (ROOT / ".dockerignore").read_text().splitlines() if line[0] == "!"
    ]
    copied = [word for step in instructions("COPY") if "--from" not in step for word in step.split()[:-1]]
    assert sorted(sent) == sorted(copied)


def test_the_documented_secrets_are_readable_in_containers_under_any_umask(
    compose: Compose, tmp_path: Path
) -> None:
    """The containers' users are others than the one who makes the files; the folder keeps the rest out."""
    text = (ROOT / "docs/how-to/docker.md").read_text()
    commands = [line[2:] for line in text.splitlines() if line.startswith("$ ") and "secrets" in line]
    subprocess.run(["sh", "-euc", "umask 077\n" + "\n".join(commands[:4])], cwd=tmp_path, check=True)
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "secrets").iterdir()}
    assert modes == dict.fromkeys(compose["secrets"], 0o644)
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700


def test_an_acl_file_stays_whole_where_a_password_is_missing(tmp_path: Path) -> None:
    """Redis lets everybody in with an empty one."""
    target = tmp_path / "users.acl"
    target.write_text("user default off\n")
    script, template = ROOT / "deploy/redis/with-users.sh", ROOT / "deploy/redis/users.acl"
    command = ["sh", *map(str, (script, template, tmp_path, target)), "true"]
    ended = subprocess.run(command, capture_output=True, check=False)
    assert ended.returncode != 0
    assert target.read_text() == "user default off\n"
