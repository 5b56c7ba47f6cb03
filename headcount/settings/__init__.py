"""Settings read from environment variables, with their defaults and accepted values."""

from headcount.settings.http import MOST_PROCESSES
from headcount.settings.provenance import (
    SettingInForce,
    UnknownSetting,
    settings_in_force,
    unknown_settings,
)
from headcount.settings.settings import Settings, load_settings

__all__ = [
    "MOST_PROCESSES",
    "SettingInForce",
    "Settings",
    "UnknownSetting",
    "load_settings",
    "settings_in_force",
    "unknown_settings",
]
