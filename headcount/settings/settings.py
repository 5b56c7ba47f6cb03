"""All settings as one, read from an environment once."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from headcount.secret_files import read_secrets
from headcount.settings.counting import CountingSettings
from headcount.settings.http import HttpSettings
from headcount.settings.kafka import KafkaSettings
from headcount.settings.observation import ObservationSettings
from headcount.settings.redis import RedisSettings
from ingest.errors import OperatorError

SECRETS: Final = frozenset(
    {"kafka_sasl_password", "kafka_ssl_key_password", "redis_url", "redis_password", "user_id_hash_key"}
)


class Settings(
    ObservationSettings, CountingSettings, HttpSettings, RedisSettings, KafkaSettings, BaseSettings
):
    """Every setting, under its name in the environment; a description says what is wanted of the value."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

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


def load_settings(environ: Mapping[str, str]) -> Settings:
    """Build the settings from an environment; an empty value counts as not given.

    Raises `OperatorError` with one sentence for each wrong value, and no secret in any.
    """
    given = {name: environ[name.upper()] for name in Settings.model_fields if environ.get(name.upper())}
    given |= read_secrets(environ, SECRETS)
    unreadable = sorted(name.upper() for name, text in given.items() if not _is_text(text))
    if unreadable:
        raise OperatorError(f"{' and '.join(unreadable)} must be UTF-8, without null characters.")
    try:
        return Settings.model_validate(given)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False, include_context=False)
        sentences = [_sentence(given, dict(problem)) for problem in problems]
    # Outside the except block: the validation's own error holds the values, secrets too.
    raise OperatorError("\n".join(sentences))


def _is_text(value: str) -> bool:
    """Tell whether a value can be sent to a server: bytes that are no UTF-8 are lone surrogates in there."""
    return "\0" not in value and not any("\ud800" <= each <= "\udfff" for each in value)


def _sentence(given: Mapping[str, str], problem: Mapping[str, Any]) -> str:
    if not problem["loc"]:
        return f"{problem['msg']}."
    name = str(problem["loc"][0])
    shown = "not usable" if name in SECRETS else repr(given[name])
    return f"{name.upper()} is {shown}; wanted is {Settings.model_fields[name].description}."
