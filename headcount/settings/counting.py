"""Settings that define the counters: days, counted activity, hash key and retention."""

from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import BaseModel, BeforeValidator, Field, SecretStr

from projector.pseudonyms import KEY_MIN_CHARACTERS


def _find_zone(name: object) -> ZoneInfo:
    try:
        return name if isinstance(name, ZoneInfo) else ZoneInfo(str(name))
    except (LookupError, OSError) as error:  # a folder of zones, like "Europe", is an OSError
        raise ValueError("not a time zone") from error


def _read_types(text: object) -> object:
    if not isinstance(text, str):
        return text
    types = frozenset(each.strip() for each in text.split(","))
    if "" in types:
        raise ValueError("a type without a name")
    return types


Types = Annotated[frozenset[str], BeforeValidator(_read_types)]


class CountingSettings(BaseModel):
    """The settings that the counters depend on."""

    time_zone: Annotated[ZoneInfo, BeforeValidator(_find_zone)] = Field(
        default=ZoneInfo("UTC"), description="a name from the IANA time zone database, such as Europe/Vienna"
    )
    ignored_event_types: Types = Field(
        default=frozenset(), description="a comma-separated list of values of an event's type"
    )
    ignored_user_types: Types = Field(
        default=frozenset(), description="a comma-separated list of values of an event's user_type"
    )
    user_id_hash_key: SecretStr | None = Field(
        default=None,
        min_length=KEY_MIN_CHARACTERS,
        description=f"a secret of at least {KEY_MIN_CHARACTERS} characters, the same for every worker",
    )
    retention_days: int = Field(default=400, ge=0, le=36_500, description="0 to 36500 days; 0 for ever")
    bucket_retention_days: int = Field(default=45, ge=0, le=36_500, description="0 to 36500 days; 0 for ever")
    max_event_bytes: int = Field(default=65_536, ge=256, le=1_000_000, description="256 to 1000000 bytes")
