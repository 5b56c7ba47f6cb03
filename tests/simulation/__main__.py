"""The simulator's command line: replays one seed, or searches many for one that fails."""

import argparse
import os
import sys
import time
from collections.abc import Sequence

from rich.console import Console

from tests.simulation.schedule import run_schedule
from tests.simulation.soak import Findings, replay_command, soak

console = Console(highlight=False, soft_wrap=True)


def _arguments(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seed", type=int, help="replay this seed alone")
    parser.add_argument("-v", "--verbose", action="store_true", help="print what happens in a replay")
    parser.add_argument("--first", type=int, default=0, help="the first seed of a search")
    parser.add_argument("--schedules", type=int, default=1_000_000, help="how many schedules at most")
    parser.add_argument("--seconds", type=float, default=60.0, help="for how long at most")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="how many side by side")
    parser.add_argument("--until-failure", action="store_true", help="end at the first that fails")
    return parser.parse_args(words)


def _replay(seed: int, *, verbose: bool) -> int:
    try:
        struck = run_schedule(seed, print if verbose else None)
    except Exception:  # noqa: BLE001 - whatever ended it is what is looked for
        console.print_exception()
        return 1
    console.print(f"seed {seed} is fine; faults: {', '.join(struck) or 'none'}")
    return 0


def _search(arguments: argparse.Namespace) -> int:
    started_at = time.monotonic()
    total = Findings()
    for findings in soak(arguments.first, arguments.schedules, arguments.seconds, arguments.jobs):
        total.add(findings)
        for seed, what in findings.failures.items():
            console.print(f"seed {seed}: {what}\n  {replay_command(seed)}", markup=False)
        _show_progress(total, time.monotonic() - started_at)
        if total.failures and arguments.until_failure:
            break
    console.print(f"\nfaults: {', '.join(f'{name} {times}' for name, times in total.struck.most_common())}")
    return 1 if total.failures else 0


def _show_progress(total: Findings, seconds: float) -> None:
    pace = total.schedules / seconds * 60
    line = f"{total.schedules} schedules, {len(total.failures)} failed, {pace:.0f} a minute"
    console.print(line, end="\r" if console.is_terminal else "\n")


def main(words: Sequence[str]) -> int:
    arguments = _arguments(words)
    if arguments.seed is None:
        return _search(arguments)
    return _replay(arguments.seed, verbose=arguments.verbose)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
