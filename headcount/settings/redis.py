"""Settings of Redis clients: URL, password and TLS files."""

import re
from typing import Annotated, Final, Self
from urllib.parse import parse_qs, urlsplit

from pydantic import AfterValidator, BaseModel, Field, SecretStr, model_validator
from pydantic_core import PydanticCustomError
from redis.asyncio.connection import parse_url

from headcount.settings.validators import (
    CLIENT_CERTIFICATE,
    CLIENT_KEY,
    TRUSTED_CAS,
    ExistingFile,
    check_client_certificate,
    check_host,
    check_port,
)

_SCHEMES: Final = frozenset({"redis", "rediss", "unix"})


_OPTIONS: Final = frozenset({"db", "username", "password", "client_name"})
"""Any other option would weaken the connection, as `ssl_cert_reqs=none` does, or is unknown to redis-py."""
_is_database = re.compile(r"[0-9]{1,9}").fullmatch


def _check_url(url: SecretStr) -> SecretStr:
    text = url.get_secret_value()
    parts = urlsplit(text)
    connection = parse_url(text)
    if not (text.isprintable() and parts.scheme in _SCHEMES and parse_qs(parts.query).keys() <= _OPTIONS):
        raise ValueError("not a Redis URL")
    # parse_url turns an unreadable database number into 0, which may belong to another deployment.
    databases = parse_qs(parts.query, keep_blank_values=True).get("db", [])
    if parts.scheme == "unix":
        if not connection.get("path") or parts.netloc.rpartition("@")[2]:
            raise ValueError("no socket path")
    else:
        check_host(str(connection.get("host", "")))
        check_port(str(6379 if parts.port is None else parts.port))
        databases += [parts.path[1:]] if parts.path.strip("/") else []
    if not all(map(_is_database, databases)):
        raise ValueError("not a database number")
    return url


class RedisSettings(BaseModel):
    """The settings of every client of Redis."""

    redis_url: Annotated[SecretStr, AfterValidator(_check_url)] = Field(
        default=SecretStr("redis://localhost:6379/0"),
        description="a URL such as redis://host:6379/0, rediss://user:password@host:6379/0 or unix:///path/to/socket",
    )
    redis_password: SecretStr | None = Field(
        default=None, description="the password of the Redis user, if REDIS_URL does not contain it"
    )
    redis_ssl_ca_location: ExistingFile | None = Field(default=None, description=TRUSTED_CAS)
    redis_ssl_certificate_location: ExistingFile | None = Field(default=None, description=CLIENT_CERTIFICATE)
    redis_ssl_key_location: ExistingFile | None = Field(default=None, description=CLIENT_KEY)

    @model_validator(mode="after")
    def _redis_has_one_password(self) -> Self:
        if self.redis_password and parse_url(self.redis_url.get_secret_value()).get("password"):
            raise PydanticCustomError(
                "two_passwords",
                "REDIS_PASSWORD is set and REDIS_URL contains a password: expected only one of them",
            )
        return self

    @model_validator(mode="after")
    def _has_a_whole_certificate_for_redis(self) -> Self:
        check_client_certificate(self, "redis")
        return self

    @property
    def redis_url_redacted(self) -> str:
        """The address in `redis_url` without user, password and options."""
        url = self.redis_url.get_secret_value()
        connection = parse_url(url)
        if "path" in connection:
            return f"unix://{connection['path']}"
        host, port, database = (connection.get(name) for name in ("host", "port", "db"))
        shown = f"[{host}]" if ":" in str(host) else host
        return f"{urlsplit(url).scheme}://{shown}:{port or 6379}/{database or 0}"
