"""All settings as one model, read once from an environment and from files of secrets."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, Field, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from headcount.settings.counting import CountingSettings
from headcount.settings.http import HttpSettings
from headcount.settings.kafka import KafkaSettings
from headcount.settings.redis import RedisSettings
from ingest.errors import OperatorError


def _read_off(text: object) -> object:
    return None if isinstance(text, str) and text.lower() == "off" else text


def _lower(text: object) -> object:
    return text.lower() if isinstance(text, str) else text


MetricsPort = Annotated[int, Field(ge=0, le=65_535)] | None


class ObservationSettings(BaseModel):
    """Settings of metrics, health checks and the log."""

    metrics_host: str = Field(
        default="127.0.0.1",
        description="the address to listen on; 0.0.0.0 for all IPv4 addresses, :: for all addresses",
    )
    worker_metrics_port: Annotated[MetricsPort, BeforeValidator(_read_off)] = Field(
        default=9464, description="a port, 0 to 65535; 0 for any free port, off for none"
    )
    api_metrics_port: Annotated[MetricsPort, BeforeValidator(_read_off)] = Field(
        default=9465, description="a port, 0 to 65535; 0 for any free port, off for none"
    )
    stalled_after_seconds: float = Field(default=120, ge=10, le=86_400, description="10 to 86400 seconds")
    log_level: Annotated[Literal["debug", "info", "warning", "error"], BeforeValidator(_lower)] = Field(
        default="info", description="debug, info, warning or error"
    )
    log_format: Annotated[Literal["console", "json"], BeforeValidator(_lower)] = Field(
        default="console", description="console or json"
    )


SECRETS: Final = frozenset(
    {"kafka_sasl_password", "kafka_ssl_key_password", "redis_url", "redis_password", "user_id_hash_key"}
)


class Settings(
    ObservationSettings, CountingSettings, HttpSettings, RedisSettings, KafkaSettings, BaseSettings
):
    """Every setting under the name of its environment variable; a description states the accepted values."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    headcount_home: Path = Field(default=Path(".headcount"), description="a folder, created if it is missing")

    @classmethod
    def settings_customise_sources(  # the signature is pydantic's
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003
        init_settings: PydanticBaseSettingsSource,
        *others: PydanticBaseSettingsSource,  # noqa: ARG003
        **_: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Use only the values passed in: `load_settings` is the only reader of an environment."""
        return (init_settings,)


def load_settings(environ: Mapping[str, str]) -> Settings:
    """Build the settings from an environment; an empty value counts as not set.

    Raises `OperatorError` with one sentence per invalid value; no sentence contains a secret.
    """
    given = {name: environ[name.upper()] for name in Settings.model_fields if environ.get(name.upper())}
    given |= read_secrets(environ, SECRETS)
    unreadable = sorted(name.upper() for name, text in given.items() if not _is_text(text))
    if unreadable:
        raise OperatorError(f"{' and '.join(unreadable)} must be UTF-8 without null characters.")
    try:
        return Settings.model_validate(given)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False, include_context=False)
        sentences = [_sentence(given, dict(problem)) for problem in problems]
    # Outside the except block: the validation error holds all values, including secrets.
    raise OperatorError("\n".join(sentences))


def _is_text(value: str) -> bool:
    """Return whether a value can be sent to a server; bytes that are not UTF-8 appear as lone surrogates."""
    return "\0" not in value and not any("\ud800" <= each <= "\udfff" for each in value)


def _sentence(given: Mapping[str, str], problem: Mapping[str, Any]) -> str:
    if not problem["loc"]:
        return f"{problem['msg']}."
    name = str(problem["loc"][0])
    shown = "" if name in SECRETS else f"={given[name]!r}"
    return f"Invalid {name.upper()}{shown}: expected {Settings.model_fields[name].description}."


def read_secrets(environ: Mapping[str, str], names: Iterable[str]) -> dict[str, str]:
    """Return the secrets from the files named by `<SETTING>_FILE`, without trailing line breaks.

    Raises `OperatorError` for an unreadable or empty file, and for a secret that is also set directly.
    """
    return {
        name: _read(environ, name.upper(), location)
        for name in sorted(names)
        if (location := environ.get(f"{name.upper()}_FILE"))
    }


def _read(environ: Mapping[str, str], name: str, location: str) -> str:
    if environ.get(name):
        raise OperatorError(f"{name} and {name}_FILE are both set: expected only one of them.")
    invalid = f"Invalid {name}_FILE={location!r}: expected a file that holds the secret"
    try:
        secret = Path(location).read_text(encoding="utf-8").strip("\r\n")
    except (OSError, ValueError) as error:
        cause = f"got: {error.strerror}" if isinstance(error, OSError) else "it is not UTF-8 text"
        raise OperatorError(f"{invalid}, but {cause}.") from None  # the original error holds the bytes read
    if not secret:
        raise OperatorError(f"{invalid}, but it is empty.")
    return secret
