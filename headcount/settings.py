"""The settings: what an operator may set in the environment, and what is wanted of each value."""

import re
from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    FilePath,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from redis.asyncio.connection import parse_url

from headcount.secret_files import read_secrets
from ingest.errors import RefusedError
from projector.pseudonyms import KEY_MIN_CHARACTERS

_REDIS_SCHEMES: Final = frozenset({"redis", "rediss", "unix"})
_SECRETS: Final = frozenset(
    {"kafka_sasl_password", "kafka_ssl_key_password", "redis_url", "redis_password", "user_id_hash_key"}
)
_SASL_SETTINGS: Final = ("kafka_sasl_mechanism", "kafka_sasl_username", "kafka_sasl_password")
_CERTIFICATES: Final = ("kafka_ssl", "redis_ssl")
_OWN_CERTIFICATE: Final = "an existing PEM file with our own certificate, and those that vouch for it"
_OWN_KEY: Final = "an existing PEM file with the private key of our own certificate"
_SECONDS: Final = "above 0 and up to 3600 seconds"
_is_server_list = re.compile(r"^(?:\[[0-9A-Fa-f:.]+\]|[^\s,:\[\]]+):\d{1,5}(?:,(?!\Z)|\Z)").match


def _check_servers(text: str) -> str:
    servers = [server.strip() for server in text.split(",")]
    if not all(map(_is_server_list, servers)):
        raise ValueError("not a list of host:port")
    return ",".join(servers)


def _check_topic(name: str) -> str:
    if name in {".", ".."}:
        raise ValueError("not a topic name")
    return name


def _check_redis_url(url: SecretStr) -> SecretStr:
    parts = urlsplit(url.get_secret_value())
    connection = parse_url(url.get_secret_value())
    if parts.scheme not in _REDIS_SCHEMES or not (connection.get("host") or connection.get("path")):
        raise ValueError("not a Redis URL")
    return url


def _find_zone(name: object) -> ZoneInfo:
    try:
        return name if isinstance(name, ZoneInfo) else ZoneInfo(str(name))
    except (LookupError, OSError) as error:  # a folder of zones, like "Europe", is an OSError
        raise ValueError("not a time zone") from error


def _read_networks(text: object) -> object:
    if not isinstance(text, str):
        return text
    return tuple(ip_network(network.strip()) for network in text.split(","))


def _read_types(text: object) -> object:
    if not isinstance(text, str):
        return text
    types = frozenset(each.strip() for each in text.split(","))
    if "" in types:
        raise ValueError("a type without a name")
    return types


def _read_off(text: object) -> object:
    return None if isinstance(text, str) and text.lower() == "off" else text


def _lower(text: object) -> object:
    return text.lower() if isinstance(text, str) else text


Types = Annotated[frozenset[str], BeforeValidator(_read_types)]
MetricsPort = Annotated[int, Field(ge=0, le=65_535)] | None


class Settings(BaseSettings):
    """Every setting, under its name in the environment; a description says what is wanted of the value."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    kafka_bootstrap_servers: Annotated[str, AfterValidator(_check_servers)] = Field(
        default="localhost:9092", description="host:port, or several with commas between them"
    )
    kafka_topic: Annotated[str, AfterValidator(_check_topic)] = Field(
        default="user-activity",
        pattern=r"^[A-Za-z0-9._-]{1,245}$",  # Kafka takes 249; the dead letters' topic adds ".dlq"
        description="1 to 245 of A-Z a-z 0-9 . _ -",
    )
    kafka_group_id: str = Field(default="headcount", max_length=255, description="1 to 255 characters")
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        default="PLAINTEXT", description="PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL"
    )
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = Field(
        default=None, description="PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512"
    )
    kafka_sasl_username: str | None = Field(default=None, description="the name to log in to Kafka with")
    kafka_sasl_password: SecretStr | None = Field(
        default=None, description="the password to log in to Kafka with"
    )
    kafka_ssl_ca_location: FilePath | None = Field(
        default=None, description="an existing PEM file with the certificates of the authorities to trust"
    )
    kafka_ssl_certificate_location: FilePath | None = Field(default=None, description=_OWN_CERTIFICATE)
    kafka_ssl_key_location: FilePath | None = Field(default=None, description=_OWN_KEY)
    kafka_ssl_key_password: SecretStr | None = Field(
        default=None, description="the password that the private key's file is encrypted with"
    )
    redis_url: Annotated[SecretStr, AfterValidator(_check_redis_url)] = Field(
        default=SecretStr("redis://localhost:6379/0"),
        description="a URL like redis://host:6379/0, rediss://user:password@host:6379/0 or unix:///path/to/socket",
    )
    redis_password: SecretStr | None = Field(
        default=None, description="the password of the user in REDIS_URL, where it is not in there"
    )
    redis_ssl_ca_location: FilePath | None = Field(
        default=None, description="an existing PEM file with the certificates of the authorities to trust"
    )
    redis_ssl_certificate_location: FilePath | None = Field(default=None, description=_OWN_CERTIFICATE)
    redis_ssl_key_location: FilePath | None = Field(default=None, description=_OWN_KEY)
    http_host: str = Field(default="127.0.0.1", description="the address to listen on; 0.0.0.0 is every one")
    http_port: int = Field(
        default=8080, ge=0, le=65_535, description="a port, 0 to 65535; 0 takes a free one"
    )
    http_head_timeout_seconds: float = Field(default=10, gt=0, le=3600, description=_SECONDS)
    http_keep_alive_seconds: float = Field(default=30, gt=0, le=3600, description=_SECONDS)
    http_write_timeout_seconds: float = Field(default=10, gt=0, le=3600, description=_SECONDS)
    http_max_head_bytes: int = Field(
        default=16_384, ge=1_024, le=1_048_576, description="1024 to 1048576 bytes"
    )
    http_max_headers: int = Field(default=100, ge=10, le=10_000, description="10 to 10000 headers")
    http_max_body_bytes: int = Field(default=0, ge=0, le=1_048_576, description="0 to 1048576 bytes")
    http_max_pipelined_requests: int = Field(default=16, ge=1, le=32, description="1 to 32 requests")
    http_max_connections: int = Field(default=1_000, ge=1, le=100_000, description="1 to 100000 connections")
    http_max_connections_per_address: int = Field(
        default=100, ge=1, le=100_000, description="1 to 100000 connections"
    )
    http_requests_per_minute: int = Field(
        default=600, ge=0, le=1_000_000, description="0 to 1000000 requests; 0 is no limit"
    )
    http_failed_logins_per_minute: int = Field(
        default=60, ge=0, le=1_000_000, description="0 to 1000000 logins; 0 is no limit"
    )
    trusted_proxies: Annotated[tuple[IPv4Network | IPv6Network, ...], BeforeValidator(_read_networks)] = (
        Field(default=(), description="networks or addresses like 10.0.0.0/8, with commas between them")
    )
    metrics_host: str = Field(
        default="127.0.0.1", description="the address to listen on; 0.0.0.0 is every one"
    )
    worker_metrics_port: Annotated[MetricsPort, BeforeValidator(_read_off)] = Field(
        default=9464, description="a port, 0 to 65535; 0 takes a free one, off none"
    )
    api_metrics_port: Annotated[MetricsPort, BeforeValidator(_read_off)] = Field(
        default=9465, description="a port, 0 to 65535; 0 takes a free one, off none"
    )
    stalled_after_seconds: float = Field(default=120, ge=10, le=86_400, description="10 to 86400 seconds")
    time_zone: Annotated[ZoneInfo, BeforeValidator(_find_zone)] = Field(
        default=ZoneInfo("UTC"), description="a name of the IANA time zone database, like Europe/Vienna"
    )
    ignored_event_types: Types = Field(
        default=frozenset(), description="values of an event's type, with commas between them"
    )
    ignored_user_types: Types = Field(
        default=frozenset(), description="values of an event's user_type, with commas between them"
    )
    user_id_hash_key: SecretStr | None = Field(
        default=None,
        min_length=KEY_MIN_CHARACTERS,
        description=f"a secret of at least {KEY_MIN_CHARACTERS} characters, the same for every worker",
    )
    retention_days: int = Field(default=400, ge=0, le=36_500, description="0 to 36500 days; 0 is for ever")
    bucket_retention_days: int = Field(
        default=45, ge=0, le=36_500, description="0 to 36500 days; 0 is for ever"
    )
    max_event_bytes: int = Field(default=65_536, ge=256, le=1_000_000, description="256 to 1000000 bytes")
    log_level: Annotated[Literal["debug", "info", "warning", "error"], BeforeValidator(_lower)] = Field(
        default="info", description="debug, info, warning or error"
    )
    log_format: Annotated[Literal["console", "json"], BeforeValidator(_lower)] = Field(
        default="console", description="console or json"
    )
    headcount_home: Path = Field(
        default=Path(".headcount"), description="a folder; it is made where it is missing"
    )

    @classmethod
    def settings_customise_sources(  # the signature is pydantic's
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003
        init_settings: PydanticBaseSettingsSource,
        *others: PydanticBaseSettingsSource,  # noqa: ARG003
        **_: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take only what is handed over: `load_settings` is the one reader of an environment."""
        return (init_settings,)

    @model_validator(mode="after")
    def _sasl_is_complete(self) -> Self:
        missing = [name.upper() for name in _SASL_SETTINGS if getattr(self, name) is None]
        if self.kafka_security_protocol.startswith("SASL_") and missing:
            raise PydanticCustomError(
                "sasl_incomplete",
                "KAFKA_SECURITY_PROTOCOL is '{protocol}'; wanted with it is {missing}",
                {"protocol": self.kafka_security_protocol, "missing": " and ".join(missing)},
            )
        return self

    @model_validator(mode="after")
    def _certificates_have_keys(self) -> Self:
        for kind in _CERTIFICATES:
            names = (f"{kind}_certificate_location", f"{kind}_key_location")
            given = [name.upper() for name in names if getattr(self, name)]
            if len(given) == 1:
                raise PydanticCustomError(
                    "half_a_certificate",
                    "{given} is set alone; wanted are {certificate} and {key}",
                    {"given": given[0], "certificate": names[0].upper(), "key": names[1].upper()},
                )
        return self

    @model_validator(mode="after")
    def _redis_has_one_password(self) -> Self:
        if self.redis_password and parse_url(self.redis_url.get_secret_value()).get("password"):
            raise PydanticCustomError(
                "two_passwords",
                "REDIS_PASSWORD is set, and REDIS_URL has a password too; wanted is one of them",
            )
        return self

    @property
    def redis_url_redacted(self) -> str:
        """The address in `redis_url`, without user, password and options."""
        url = self.redis_url.get_secret_value()
        connection = parse_url(url)
        if "path" in connection:
            return f"unix://{connection['path']}"
        host, port, database = (connection.get(name) for name in ("host", "port", "db"))
        shown = f"[{host}]" if ":" in str(host) else host
        return f"{urlsplit(url).scheme}://{shown}:{port or 6379}/{database or 0}"


def load_settings(environ: Mapping[str, str]) -> Settings:
    """Build the settings from an environment; an empty value counts as not given.

    Raises `RefusedError` with one sentence for each wrong value, and no secret in any.
    """
    given = {name: environ[name.upper()] for name in Settings.model_fields if environ.get(name.upper())}
    given |= read_secrets(environ, _SECRETS)
    try:
        return Settings.model_validate(given)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False, include_context=False)
        sentences = [_sentence(given, dict(problem)) for problem in problems]
    # Outside the except block: the validation's own error holds the values, secrets too.
    raise RefusedError("\n".join(sentences))


def _sentence(given: Mapping[str, str], problem: Mapping[str, Any]) -> str:
    if not problem["loc"]:
        return f"{problem['msg']}."
    name = str(problem["loc"][0])
    shown = "not usable" if name in _SECRETS else repr(given[name])
    return f"{name.upper()} is {shown}; wanted is {Settings.model_fields[name].description}."
