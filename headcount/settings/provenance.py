"""The effective value and the source of each setting, and environment names that resemble a setting."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final, Literal
from zoneinfo import ZoneInfo

from pydantic import SecretStr

from headcount.settings.settings import SECRETS, Settings, load_settings

MASKED: Final = "[redacted]"
SIMILARITY: Final = 0.85
"""High enough to ignore the variables that Kubernetes sets for services named kafka and redis."""
_PREFIX: Final = "HEADCOUNT_"
_FILE: Final = "_FILE"

Source = Literal["environment", "file", "default"]


@dataclass(frozen=True, slots=True)
class SettingInForce:
    """A setting, its value as text (masked if secret, None if not set) and its source."""

    name: str
    value: str | None
    source: Source
    file: str | None = None


@dataclass(frozen=True, slots=True)
class UnknownSetting:
    """An environment variable without effect, and the setting that was probably meant."""

    name: str
    meant: str

    def __str__(self) -> str:
        return f"{self.name} has no effect: it is not a setting. Did you mean {self.meant}?"


def settings_in_force(environ: Mapping[str, str]) -> Sequence[SettingInForce]:
    """Return every setting with its value and source; raises `OperatorError` as `load_settings` does."""
    settings = load_settings(environ)
    return [_in_force(settings, name, environ) for name in Settings.model_fields]


def unknown_settings(environ: Mapping[str, str]) -> Sequence[UnknownSetting]:
    """Return the names that resemble settings and are none; variables of other programs are ignored."""
    known = {name.upper() for name in Settings.model_fields}
    files = {f"{name.upper()}{_FILE}" for name in SECRETS}
    near = {
        name: meant
        for name in sorted(environ)
        if name not in known | files and environ[name] and (meant := _meant(name, known, files))
    }
    return [UnknownSetting(name, meant) for name, meant in near.items()]


def _in_force(settings: Settings, name: str, environ: Mapping[str, str]) -> SettingInForce:
    value = _shown(settings, name)
    file = environ.get(f"{name.upper()}{_FILE}") if name in SECRETS else None
    if file:
        return SettingInForce(name.upper(), value, "file", file)
    return SettingInForce(name.upper(), value, "environment" if environ.get(name.upper()) else "default")


def _shown(settings: Settings, name: str) -> str | None:
    value = getattr(settings, name)
    if name == "redis_url":
        return settings.redis_url_redacted
    if value is None:
        return "off" if name.endswith("_metrics_port") else None
    if isinstance(value, SecretStr):
        return MASKED
    if isinstance(value, ZoneInfo):
        return value.key
    if isinstance(value, frozenset | tuple):
        return ",".join(sorted(map(str, value))) or None
    return f"{value:g}" if isinstance(value, float) else str(value)


def _meant(name: str, known: Collection[str], files: Collection[str]) -> str | None:
    upper = name.upper()
    stem = upper.removesuffix(_FILE)
    if stem in known and upper not in files and upper != stem:
        return stem  # only secrets can come from files
    bare = upper.removeprefix(_PREFIX)
    if bare in known or bare in files:
        return bare
    return next(iter(get_close_matches(upper, [*known, *files], n=1, cutoff=SIMILARITY)), None)
