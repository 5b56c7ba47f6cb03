"""The doctor on what the settings show to the network."""

import pytest

from headcount.ops.doctor.exposure import (
    check_api_transport,
    check_http_limits,
    check_kafka_transport,
    check_metrics,
    check_redis_transport,
    check_trusted_proxies,
)
from headcount.ops.doctor.finding import Verdict
from headcount.wiring import load_config

SASL = {"KAFKA_SASL_MECHANISM": "PLAIN", "KAFKA_SASL_USERNAME": "u", "KAFKA_SASL_PASSWORD": "p"}


@pytest.mark.parametrize(
    ("url", "verdict"),
    [
        ("redis://localhost:6379/0", "ok"),
        ("redis://127.0.0.2:6379/0", "ok"),
        ("redis://[::1]:6379/0", "ok"),
        ("unix:///run/redis.sock", "ok"),
        ("rediss://redis.example:6379/0", "ok"),
        ("redis://redis.example:6379/0", "warning"),
        ("redis://10.0.0.5:6379/0", "warning"),
    ],
)
def test_the_way_to_redis_is_encrypted_or_short(url: str, verdict: Verdict) -> None:
    assert check_redis_transport(load_config({"REDIS_URL": url})).verdict == verdict


def test_no_password_is_shown() -> None:
    config = load_config({"REDIS_URL": "redis://operator:hunter2@redis.example:6379/0"})
    assert "hunter2" not in str(check_redis_transport(config))


@pytest.mark.parametrize(
    ("servers", "protocol", "verdict"),
    [
        ("localhost:9092", "PLAINTEXT", "ok"),
        ("localhost:9092,[::1]:9092", "PLAINTEXT", "ok"),
        ("localhost:9092,kafka:9092", "PLAINTEXT", "warning"),
        ("kafka:9092", "SASL_PLAINTEXT", "warning"),
        ("kafka:9092", "SSL", "ok"),
        ("kafka:9092", "SASL_SSL", "ok"),
    ],
)
def test_the_way_to_kafka_is_encrypted_or_short(servers: str, protocol: str, verdict: Verdict) -> None:
    environment = {"KAFKA_BOOTSTRAP_SERVERS": servers, "KAFKA_SECURITY_PROTOCOL": protocol, **SASL}
    assert check_kafka_transport(load_config(environment)).verdict == verdict


@pytest.mark.parametrize(
    ("host", "proxies", "verdict"),
    [
        ("127.0.0.1", "", "ok"),
        ("0.0.0.0", "10.0.0.2", "ok"),
        ("0.0.0.0", "", "warning"),
        ("203.0.113.9", "", "warning"),
    ],
)
def test_an_open_api_wants_a_proxy(host: str, proxies: str, verdict: Verdict) -> None:
    config = load_config({"HTTP_HOST": host, "TRUSTED_PROXIES": proxies})
    assert check_api_transport(config).verdict == verdict


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({}, None),
        ({"HTTP_MAX_CONNECTIONS": "101"}, None),
        ({"HTTP_MAX_CONNECTIONS": "100"}, "HTTP_MAX_CONNECTIONS_PER_ADDRESS"),
        ({"HTTP_REQUESTS_PER_MINUTE": "0"}, "HTTP_REQUESTS_PER_MINUTE"),
        ({"HTTP_FAILED_LOGINS_PER_MINUTE": "0"}, "HTTP_FAILED_LOGINS_PER_MINUTE"),
    ],
)
def test_a_limit_that_is_off_is_named(environment: dict[str, str], named: str | None) -> None:
    found = check_http_limits(load_config(environment))
    assert found.verdict == ("warning" if named else "ok")
    assert str(named or "") in found.found


@pytest.mark.parametrize(
    ("host", "port", "verdict"),
    [
        ("127.0.0.1", "9464", "ok"),
        ("localhost", "9464", "ok"),
        ("10.1.2.3", "9464", "ok"),
        ("0.0.0.0", "9464", "warning"),
        ("::", "9464", "warning"),
        ("8.8.8.8", "9464", "warning"),
        ("metrics.example", "9464", "warning"),
        ("0.0.0.0", "off", "ok"),
    ],
)
def test_open_metrics_are_a_warning(host: str, port: str, verdict: Verdict) -> None:
    environment = {"METRICS_HOST": host, "WORKER_METRICS_PORT": port, "API_METRICS_PORT": "off"}
    assert check_metrics(load_config(environment)).verdict == verdict


@pytest.mark.parametrize(
    ("networks", "verdict"),
    [
        ("", "ok"),
        ("10.0.0.0/8,fc00::/7", "ok"),
        ("0.0.0.0/0", "problem"),
        ("10.0.0.1,128.0.0.0/1", "problem"),
        ("::/0", "problem"),
    ],
)
def test_a_network_of_strangers_is_no_proxy(networks: str, verdict: Verdict) -> None:
    assert check_trusted_proxies(load_config({"TRUSTED_PROXIES": networks})).verdict == verdict
