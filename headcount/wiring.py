"""Turns settings into plain frozen values; no other module depends on `Settings`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from pydantic import SecretStr

from headcount.settings import Settings, load_settings
from httpd.limits import HttpConfig, Limits
from ingest.errors import OperatorError
from projector.activity_filter import ActivityFilter
from projector.calendar import Calendar
from projector.counted_users import CountedUsers
from projector.deployment import Deployment
from projector.pseudonyms import Pseudonyms

MAKE_KEY: Final = "python3 -c 'import secrets; print(secrets.token_hex(32))'"


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsConfig:
    """The PEM files for connections to one server; None for the system default."""

    ca: Path | None
    certificate: Path | None
    key: Path | None
    key_password: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaConfig:
    """Addresses, security, topic and consumer group of Kafka."""

    bootstrap_servers: str
    topic: str
    group_id: str
    security_protocol: str
    sasl_mechanism: str | None
    sasl_username: str | None
    sasl_password: str | None = field(repr=False)
    tls: TlsConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisConfig:
    """URL, password and TLS files of Redis; `url_redacted` lacks user, password and options."""

    url: str = field(repr=False)
    url_redacted: str
    password: str | None = field(repr=False)
    tls: TlsConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class CountingConfig:
    """What the counters depend on, and their retention in days (0 for ever)."""

    time_zone: ZoneInfo
    ignored_event_types: frozenset[str]
    ignored_user_types: frozenset[str]
    user_id_hash_key: str | None = field(repr=False)
    retention_days: int
    bucket_retention_days: int
    max_event_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TelemetryConfig:
    """Addresses of metrics and health, and the format of the log."""

    metrics_host: str
    worker_metrics_port: int | None
    api_metrics_port: int | None
    stalled_after_seconds: float
    log_level: str
    is_log_level_set: bool
    log_format: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The configuration of one process. `home` is the folder of the embedded servers."""

    kafka: KafkaConfig
    redis: RedisConfig
    http: HttpConfig
    counting: CountingConfig
    telemetry: TelemetryConfig
    home: Path


def load_config(environ: Mapping[str, str]) -> Config:
    """Read an environment; raises `OperatorError` with one line per invalid setting."""
    return configure(load_settings(environ))


def configure(settings: Settings) -> Config:
    """Turn validated settings into plain values, so that no module below depends on their names."""
    return Config(
        kafka=KafkaConfig(
            bootstrap_servers=settings.kafka_bootstrap_servers,
            topic=settings.kafka_topic,
            group_id=settings.kafka_group_id,
            security_protocol=settings.kafka_security_protocol,
            sasl_mechanism=settings.kafka_sasl_mechanism,
            sasl_username=settings.kafka_sasl_username,
            sasl_password=_revealed(settings.kafka_sasl_password),
            tls=TlsConfig(
                ca=settings.kafka_ssl_ca_location,
                certificate=settings.kafka_ssl_certificate_location,
                key=settings.kafka_ssl_key_location,
                key_password=_revealed(settings.kafka_ssl_key_password),
            ),
        ),
        redis=RedisConfig(
            url=settings.redis_url.get_secret_value(),
            url_redacted=settings.redis_url_redacted,
            password=_revealed(settings.redis_password),
            tls=TlsConfig(
                ca=settings.redis_ssl_ca_location,
                certificate=settings.redis_ssl_certificate_location,
                key=settings.redis_ssl_key_location,
            ),
        ),
        http=HttpConfig(
            host=settings.http_host,
            port=settings.http_port,
            processes=settings.http_processes,
            limits=Limits(
                head_seconds=settings.http_head_timeout_seconds,
                keep_alive_seconds=settings.http_keep_alive_seconds,
                write_seconds=settings.http_write_timeout_seconds,
                head_bytes=settings.http_max_head_bytes,
                headers=settings.http_max_headers,
                body_bytes=settings.http_max_body_bytes,
                pipelined_requests=settings.http_max_pipelined_requests,
                connections=settings.http_max_connections,
                connections_per_address=settings.http_max_connections_per_address,
            ),
            requests_per_minute=settings.http_requests_per_minute,
            failed_logins_per_minute=settings.http_failed_logins_per_minute,
            trusted_proxies=settings.trusted_proxies,
        ),
        counting=CountingConfig(
            time_zone=settings.time_zone,
            ignored_event_types=settings.ignored_event_types,
            ignored_user_types=settings.ignored_user_types,
            user_id_hash_key=_revealed(settings.user_id_hash_key),
            retention_days=settings.retention_days,
            bucket_retention_days=settings.bucket_retention_days,
            max_event_bytes=settings.max_event_bytes,
        ),
        telemetry=TelemetryConfig(
            metrics_host=settings.metrics_host,
            worker_metrics_port=settings.worker_metrics_port,
            api_metrics_port=settings.api_metrics_port,
            stalled_after_seconds=settings.stalled_after_seconds,
            log_level=settings.log_level,
            is_log_level_set="log_level" in settings.model_fields_set,
            log_format=settings.log_format,
        ),
        home=settings.headcount_home,
    )


def _revealed(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()


def utc_now() -> datetime:
    """Return the current time, the only clock of worker and API."""
    return datetime.now(UTC)


def deployment(config: Config) -> Deployment:
    """Return the deployment that these settings describe."""
    return Deployment(
        topic=config.kafka.topic,
        time_zone=config.counting.time_zone.key,
        user_id_hash_key=pseudonyms(config).fingerprint if config.counting.user_id_hash_key else None,
        activity_filter=activity_filter(config),
        retention_days=config.counting.retention_days,
        bucket_retention_days=config.counting.bucket_retention_days,
    )


def activity_filter(config: Config) -> ActivityFilter:
    """Return which activity is counted."""
    return ActivityFilter(
        ignored_event_types=config.counting.ignored_event_types,
        ignored_user_types=config.counting.ignored_user_types,
    )


def counted_users(config: Config) -> CountedUsers:
    """Return which users are counted by these settings; raises like `pseudonyms`."""
    return CountedUsers(pseudonyms(config), activity_filter=activity_filter(config))


def pseudonyms(config: Config) -> Pseudonyms:
    """Return the pseudonyms for the configured key; raises `OperatorError` if no key is set."""
    if config.counting.user_id_hash_key is None:
        raise OperatorError(
            "USER_ID_HASH_KEY is not set: user ids are stored in Redis only as hashes with this secret key. "
            f"Generate it once, keep a copy, and set it for every worker: {MAKE_KEY}"
        )
    return Pseudonyms(config.counting.user_id_hash_key)


def calendar(config: Config) -> Calendar:
    """Return the calendar of the configured time zone and retention."""
    return Calendar(
        time_zone=config.counting.time_zone,
        retention_days=config.counting.retention_days,
        bucket_retention_days=config.counting.bucket_retention_days,
    )
