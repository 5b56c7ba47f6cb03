"""What runs here: the version of Headcount, and of Python."""

import platform
from importlib.metadata import version


def build() -> tuple[str, str]:
    """Return the values of the labels of `headcount_build_info`."""
    return version("headcount"), platform.python_version()
