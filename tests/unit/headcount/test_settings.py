"""Settings: accepted values, error messages for invalid ones, and secrets that are never shown."""

import re
from collections.abc import Mapping
from contextlib import suppress
from ipaddress import ip_network
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError

from headcount.settings import Settings, load_settings
from ingest.errors import OperatorError

DOCUMENT = Path(__file__).parents[3] / "docs" / "reference" / "settings.md"

SASL = {
    "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
    "KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
    "KAFKA_SASL_USERNAME": "headcount",
    "KAFKA_SASL_PASSWORD": "hunter2",
}


def refusal(environ: Mapping[str, str]) -> str:
    with pytest.raises(OperatorError) as caught:
        load_settings(environ)
    return str(caught.value)


def test_an_empty_environment_gives_the_defaults() -> None:
    settings = load_settings({})
    assert settings.kafka_bootstrap_servers == "localhost:9092"
    assert settings.redis_url == SecretStr("redis://localhost:6379/0")
    assert settings.time_zone == ZoneInfo("UTC")
    assert (settings.retention_days, settings.bucket_retention_days) == (400, 45)
    assert settings.headcount_home == Path(".headcount")


def test_an_empty_value_counts_as_not_given() -> None:
    assert load_settings({"HTTP_PORT": "", "KAFKA_SASL_USERNAME": ""}) == load_settings({})


def test_other_variables_are_ignored() -> None:
    assert load_settings({"PATH": "/bin", "KAFKA_HOME": "/opt", "TZ": "Asia/Tokyo"}) == load_settings({})


def test_only_the_environment_that_is_handed_over_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PORT", "9999")
    assert load_settings({}).http_port == Settings().http_port == 8080


def test_every_setting_is_taken(tmp_path: Path) -> None:
    authorities = tmp_path / "ca.pem"
    authorities.touch()
    settings = load_settings(
        SASL
        | {
            "KAFKA_BOOTSTRAP_SERVERS": "a.example:9092, [::1]:9093",
            "KAFKA_TOPIC": "activity_2.x",
            "KAFKA_GROUP_ID": "group",
            "KAFKA_SSL_CA_LOCATION": str(authorities),
            "KAFKA_SSL_CERTIFICATE_LOCATION": str(authorities),
            "KAFKA_SSL_KEY_LOCATION": str(authorities),
            "KAFKA_SSL_KEY_PASSWORD": "hunter3",
            "REDIS_URL": "rediss://user@redis.example:6390/3",
            "REDIS_PASSWORD": "secret",
            "REDIS_SSL_CA_LOCATION": str(authorities),
            "REDIS_SSL_CERTIFICATE_LOCATION": str(authorities),
            "REDIS_SSL_KEY_LOCATION": str(authorities),
            "HTTP_HOST": "0.0.0.0",
            "HTTP_PORT": "80",
            "HTTP_PROCESSES": "4",
            "HTTP_HEAD_TIMEOUT_SECONDS": "2.5",
            "HTTP_KEEP_ALIVE_SECONDS": "60",
            "HTTP_WRITE_TIMEOUT_SECONDS": "5",
            "HTTP_MAX_HEAD_BYTES": "8192",
            "HTTP_MAX_HEADERS": "50",
            "HTTP_MAX_BODY_BYTES": "1000",
            "HTTP_MAX_PIPELINED_REQUESTS": "4",
            "HTTP_MAX_CONNECTIONS": "5000",
            "HTTP_MAX_CONNECTIONS_PER_ADDRESS": "50",
            "HTTP_REQUESTS_PER_MINUTE": "10",
            "HTTP_FAILED_LOGINS_PER_MINUTE": "0",
            "TRUSTED_PROXIES": "10.0.0.0/8, 192.0.2.7, 2001:db8::/32",
            "METRICS_HOST": "0.0.0.0",
            "WORKER_METRICS_PORT": "0",
            "API_METRICS_PORT": "off",
            "STALLED_AFTER_SECONDS": "600",
            "TIME_ZONE": "Pacific/Chatham",
            "IGNORED_EVENT_TYPES": "call-started, typing",
            "IGNORED_USER_TYPES": "bot",
            "USER_ID_HASH_KEY": "k" * 32,
            "RETENTION_DAYS": "0",
            "BUCKET_RETENTION_DAYS": "0",
            "MAX_EVENT_BYTES": "1000",
            "LOG_LEVEL": "WARNING",
            "LOG_FORMAT": "Json",
            "HEADCOUNT_HOME": "/var/lib/headcount",
        }
    )
    assert settings.kafka_bootstrap_servers == "a.example:9092,[::1]:9093"
    assert settings.kafka_sasl_password == SecretStr("hunter2")
    assert settings.kafka_ssl_ca_location == authorities
    assert settings.trusted_proxies == tuple(
        ip_network(network) for network in ("10.0.0.0/8", "192.0.2.7/32", "2001:db8::/32")
    )
    assert settings.time_zone == ZoneInfo("Pacific/Chatham")
    assert settings.ignored_event_types == {"call-started", "typing"}
    assert settings.ignored_user_types == {"bot"}
    assert (settings.worker_metrics_port, settings.api_metrics_port) == (0, None)
    assert (settings.log_level, settings.log_format) == ("warning", "json")
    assert settings.headcount_home == Path("/var/lib/headcount")
    assert settings.model_fields_set == Settings.model_fields.keys()


def test_settings_never_change() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Settings().http_port = 1


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("KAFKA_BOOTSTRAP_SERVERS", "localhost", "host:port, or a comma-separated list of them"),
        ("KAFKA_BOOTSTRAP_SERVERS", "a:1,", "host:port, or a comma-separated list of them"),
        ("KAFKA_BOOTSTRAP_SERVERS", "kafka://a:1", "host:port, or a comma-separated list of them"),
        ("KAFKA_TOPIC", "user activity", "1 to 240 characters from A-Z a-z 0-9 . _ -"),
        ("KAFKA_TOPIC", "a\n", "1 to 240 characters from A-Z a-z 0-9 . _ -"),
        ("KAFKA_TOPIC", "a" * 241, "1 to 240 characters from A-Z a-z 0-9 . _ -"),
        ("KAFKA_TOPIC", "..", "1 to 240 characters from A-Z a-z 0-9 . _ -"),
        ("IGNORED_USER_TYPES", "bot,", "a comma-separated list of values of an event's user_type"),
        ("KAFKA_GROUP_ID", "g" * 256, "1 to 255 characters"),
        ("KAFKA_SECURITY_PROTOCOL", "TLS", "PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL"),
        ("KAFKA_SASL_MECHANISM", "GSSAPI", "PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512"),
        (
            "KAFKA_SSL_CA_LOCATION",
            "/nowhere/ca.pem",
            "an existing PEM file with the trusted CA certificates",
        ),
        ("HTTP_PORT", "65536", "a port, 0 to 65535; 0 for any free port"),
        ("HTTP_PORT", "http", "a port, 0 to 65535; 0 for any free port"),
        ("WORKER_METRICS_PORT", "none", "a port, 0 to 65535; 0 for any free port, off for none"),
        ("STALLED_AFTER_SECONDS", "5", "10 to 86400 seconds"),
        ("HTTP_PROCESSES", "0", "1 to 64 processes"),
        ("HTTP_PROCESSES", "auto", "1 to 64 processes"),
        ("HTTP_HEAD_TIMEOUT_SECONDS", "0", "more than 0 and at most 3600 seconds"),
        ("HTTP_KEEP_ALIVE_SECONDS", "nan", "more than 0 and at most 3600 seconds"),
        ("HTTP_WRITE_TIMEOUT_SECONDS", "inf", "more than 0 and at most 3600 seconds"),
        ("HTTP_MAX_HEAD_BYTES", "16k", "1024 to 1048576 bytes"),
        ("HTTP_MAX_HEADERS", "9", "10 to 10000 headers"),
        ("HTTP_MAX_BODY_BYTES", "-1", "0 to 1048576 bytes"),
        ("HTTP_MAX_PIPELINED_REQUESTS", "33", "1 to 32 requests"),
        ("HTTP_MAX_CONNECTIONS", "0", "1 to 100000 connections"),
        ("HTTP_MAX_CONNECTIONS_PER_ADDRESS", "many", "1 to 100000 connections"),
        ("HTTP_REQUESTS_PER_MINUTE", "-1", "0 to 1000000 requests; 0 for no limit"),
        ("HTTP_FAILED_LOGINS_PER_MINUTE", "few", "0 to 1000000 logins; 0 for no limit"),
        (
            "TRUSTED_PROXIES",
            "10.0.0.1/8",
            "a comma-separated list of networks or addresses such as 10.0.0.0/8",
        ),
        (
            "TRUSTED_PROXIES",
            "10.0.0.1,",
            "a comma-separated list of networks or addresses such as 10.0.0.0/8",
        ),
        (
            "TRUSTED_PROXIES",
            "proxy.example",
            "a comma-separated list of networks or addresses such as 10.0.0.0/8",
        ),
        ("TIME_ZONE", "CEST", "a name from the IANA time zone database, such as Europe/Vienna"),
        ("TIME_ZONE", "Europe", "a name from the IANA time zone database, such as Europe/Vienna"),
        ("TIME_ZONE", "../etc/passwd", "a name from the IANA time zone database, such as Europe/Vienna"),
        ("RETENTION_DAYS", "-1", "0 to 36500 days; 0 for ever"),
        ("BUCKET_RETENTION_DAYS", "1.5", "0 to 36500 days; 0 for ever"),
        ("MAX_EVENT_BYTES", "64k", "256 to 1000000 bytes"),
        ("LOG_LEVEL", "loud", "debug, info, warning or error"),
        ("LOG_FORMAT", "xml", "console or json"),
    ],
)
def test_the_error_for_an_invalid_value_states_name_value_and_expectation(
    name: str, value: str, expected: str
) -> None:
    assert refusal({name: value}) == f"Invalid {name}={value!r}: expected {expected}."


def test_each_invalid_value_is_reported_in_one_line() -> None:
    sentences = refusal({"HTTP_PORT": "x", "TIME_ZONE": "y"}).splitlines()
    assert sentences[0].startswith("Invalid HTTP_PORT=")
    assert sentences[1].startswith("Invalid TIME_ZONE=")


def test_sasl_without_its_settings_is_refused() -> None:
    assert refusal({"KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT", "KAFKA_SASL_USERNAME": "me"}) == (
        "KAFKA_SECURITY_PROTOCOL='SASL_PLAINTEXT' also requires KAFKA_SASL_MECHANISM and KAFKA_SASL_PASSWORD."
    )


@pytest.mark.parametrize("kind", ["KAFKA", "REDIS"])
def test_a_certificate_without_its_key_is_refused(tmp_path: Path, kind: str) -> None:
    certificate = tmp_path / "certificate.pem"
    certificate.touch()
    name = f"{kind}_SSL_CERTIFICATE_LOCATION"
    assert refusal({name: str(certificate)}) == (
        f"{name} is set without its counterpart: expected both {name} and {kind}_SSL_KEY_LOCATION."
    )


def test_two_passwords_for_redis_are_refused() -> None:
    sentence = refusal({"REDIS_URL": "redis://:hunter2@redis", "REDIS_PASSWORD": "hunter3"})
    assert sentence == "REDIS_PASSWORD is set and REDIS_URL contains a password: expected only one of them."


SECRETS = ["KAFKA_SASL_PASSWORD", "KAFKA_SSL_KEY_PASSWORD", "REDIS_PASSWORD", "REDIS_URL"]


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_may_come_from_a_file(tmp_path: Path, name: str) -> None:
    file = tmp_path / "secret"
    file.write_text("redis://hunter2\r\n")
    secret = getattr(load_settings({f"{name}_FILE": str(file)}), name.lower())
    assert secret.get_secret_value() == "redis://hunter2"


@pytest.mark.parametrize("name", SECRETS)
@pytest.mark.parametrize("content", [b"", b"\n", b"\xff\xfe hunter2"])
def test_a_file_without_a_secret_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    file = tmp_path / "secret"
    file.write_bytes(content)
    sentence = refusal({f"{name}_FILE": str(file)})
    assert sentence.startswith(
        f"Invalid {name}_FILE={str(file)!r}: expected a file that holds the secret, but it is "
    )


def test_a_file_that_is_not_there_is_refused() -> None:
    assert refusal({"REDIS_PASSWORD_FILE": "/nowhere/secret"}) == (
        "Invalid REDIS_PASSWORD_FILE='/nowhere/secret': expected a file that holds the secret, but got: "
        "No such file or directory."
    )


def test_a_secret_that_is_given_twice_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("hunter2")
    sentence = refusal({"REDIS_PASSWORD": "hunter3", "REDIS_PASSWORD_FILE": str(file)})
    assert sentence == "REDIS_PASSWORD and REDIS_PASSWORD_FILE are both set: expected only one of them."


def test_only_secrets_come_from_files() -> None:
    assert load_settings({"HTTP_HOST_FILE": "/nowhere"}) == load_settings({})


@pytest.mark.parametrize(
    "url",
    [
        "http://redis:6379",
        "redis:6379",
        "redis://",
        "unix://",
        "redis://:hunter2@",
        "redis://user:hunt/er2@host",
        "redis://host:hunter2",
        "hunter2",
    ],
)
def test_a_wrong_redis_url_is_refused_without_being_shown(url: str) -> None:
    sentence = refusal({"REDIS_URL": url})
    assert sentence.startswith("Invalid REDIS_URL: expected a URL such as redis://host:6379/0, ")
    assert "hunt" not in sentence
    assert "er2" not in sentence


def test_no_secret_is_shown_when_another_setting_is_wrong() -> None:
    with pytest.raises(OperatorError) as caught:
        load_settings(SASL | {"REDIS_URL": "redis://:hunter2@redis", "HTTP_PORT": "x"})
    assert "hunter2" not in str(caught.value)
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)


def test_settings_show_no_secret() -> None:
    settings = load_settings(SASL | {"REDIS_URL": "redis://:hunter2@redis"})
    for shown in (repr(settings), str(settings), settings.model_dump_json(), settings.redis_url_redacted):
        assert "hunter2" not in shown


@pytest.mark.parametrize(
    ("url", "redacted"),
    [
        ("redis://host", "redis://host:6379/0"),
        ("rediss://user:hunter2@host:6390/3?client_name=hunter2", "rediss://host:6390/3"),
        ("redis://host:1?password=hunter2&db=2", "redis://host:1/2"),
        ("redis://:p%40ss@[::1]:6379/0", "redis://[::1]:6379/0"),
        ("unix://:hunter2@/run/redis.sock?db=1", "unix:///run/redis.sock"),
    ],
)
def test_a_redacted_url_contains_only_the_address(url: str, redacted: str) -> None:
    assert load_settings({"REDIS_URL": url}).redis_url_redacted == redacted


@given(
    st.text(alphabet="abcXYZ019._-", min_size=1, max_size=240).filter(lambda name: name not in {".", ".."})
)
def test_every_legal_topic_name_is_taken(name: str) -> None:
    assert load_settings({"KAFKA_TOPIC": name}).kafka_topic == name


@given(st.sampled_from(sorted(Settings.model_fields)), st.text())
def test_any_value_is_taken_or_refused_with_its_name(name: str, value: str) -> None:
    taken = False
    with suppress(OperatorError):
        taken = bool(load_settings({name.upper(): value}))
    if not taken:
        assert name.upper() in refusal({name.upper(): value})


def test_the_document_lists_every_setting_with_its_default_and_accepted_values() -> None:
    rows = re.findall(r"^\| `([A-Z_]+)` \| (.+?) \| (.+?) \| .+ \|$", DOCUMENT.read_text(), re.MULTILINE)
    assert rows == [
        (name.upper(), shown_default(field.default), field.description)
        for name, field in Settings.model_fields.items()
    ]


def shown_default(default: object) -> str:
    if default in (None, (), frozenset()):
        return "not set"
    return f"`{default.get_secret_value() if isinstance(default, SecretStr) else default}`"
