"""The settings: what an operator may set in the environment, and what is wanted of each value."""

from headcount.settings.http import MOST_PROCESSES
from headcount.settings.settings import Settings, load_settings

__all__ = ["MOST_PROCESSES", "Settings", "load_settings"]
