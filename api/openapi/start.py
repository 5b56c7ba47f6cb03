"""The query of weekly-data: exactly the instants that are taken, as a pattern."""

from typing import Final

from api.openapi.schemas import Document

# Every year has these, and a leap year has one more; a pattern can tell which those are.
_DAYS: Final = "(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])|(0[13-9]|1[0-2])-(29|30)|(0[13578]|1[02])-31"
_LEAP_YEAR: Final = (
    "([0-9]{2}(0[48]|[2468][048]|[13579][26])|(0[048]|[2468][048]|[13579][26])00)"  # the second: by 400
)
_TIME: Final = "T([01][0-9]|2[0-3])(:[0-5][0-9]){2}[.][0-9]{3}Z"
START_PATTERN: Final = f"^([0-9]{{4}}-({_DAYS})|{_LEAP_YEAR}-02-29){_TIME}$"


def start_parameter() -> Document:
    """Describe `start`."""
    return {
        "name": "start",
        "in": "query",
        "required": True,
        "description": (
            "The answer is about the day of this instant, in the deployment's time zone, and the seven before"
            " it. Exactly as JavaScript's toISOString() prints it."
        ),
        "schema": {"type": "string", "format": "date-time", "pattern": START_PATTERN},
    }
