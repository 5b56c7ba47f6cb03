"""`headcount` with a wrong clock: `python -m tests.faults.shifted worker`, off by SHIFT_SECONDS."""

import os
from datetime import UTC, datetime, timedelta

from headcount import wiring as composition
from headcount.cli import main


def _shifted_now() -> datetime:
    return datetime.now(UTC) + timedelta(seconds=float(os.environ["SHIFT_SECONDS"]))


if __name__ == "__main__":
    composition.utc_now = _shifted_now
    main()
