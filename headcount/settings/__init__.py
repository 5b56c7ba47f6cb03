"""The settings: what an operator may set in the environment, and what is wanted of each value."""

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
