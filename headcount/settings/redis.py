"""Where Redis is, and how it lets us in."""

from typing import Annotated, Final, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, Field, FilePath, SecretStr, model_validator
from pydantic_core import PydanticCustomError
from redis.asyncio.connection import parse_url

from headcount.settings.certificates import AUTHORITIES, OWN_CERTIFICATE, OWN_KEY, check_own_certificate

_SCHEMES: Final = frozenset({"redis", "rediss", "unix"})


def _check_url(url: SecretStr) -> SecretStr:
    parts = urlsplit(url.get_secret_value())
    connection = parse_url(url.get_secret_value())
    if parts.scheme not in _SCHEMES or not (connection.get("host") or connection.get("path")):
        raise ValueError("not a Redis URL")
    return url


class RedisSettings(BaseModel):
    """The settings of every client of Redis."""

    redis_url: Annotated[SecretStr, AfterValidator(_check_url)] = Field(
        default=SecretStr("redis://localhost:6379/0"),
        description="a URL like redis://host:6379/0, rediss://user:password@host:6379/0 or unix:///path/to/socket",
    )
    redis_password: SecretStr | None = Field(
        default=None, description="the password of the user in REDIS_URL, where it is not in there"
    )
    redis_ssl_ca_location: FilePath | None = Field(default=None, description=AUTHORITIES)
    redis_ssl_certificate_location: FilePath | None = Field(default=None, description=OWN_CERTIFICATE)
    redis_ssl_key_location: FilePath | None = Field(default=None, description=OWN_KEY)

    @model_validator(mode="after")
    def _redis_has_one_password(self) -> Self:
        if self.redis_password and parse_url(self.redis_url.get_secret_value()).get("password"):
            raise PydanticCustomError(
                "two_passwords",
                "REDIS_PASSWORD is set, and REDIS_URL has a password too; wanted is one of them",
            )
        return self

    @model_validator(mode="after")
    def _has_a_whole_certificate_for_redis(self) -> Self:
        check_own_certificate(self, "redis")
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
