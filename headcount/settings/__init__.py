"""The settings: what an operator may set in the environment, and what is wanted of each value."""

from headcount.settings.settings import Settings, load_settings

__all__ = ["Settings", "load_settings"]
