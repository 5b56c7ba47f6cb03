"""The `headcount` command; it imports the command line, which takes a second, and runs it."""

import sys

INTERRUPTED = 130


def main() -> None:
    """Run the command line; Ctrl-C exits without a traceback, even during the import."""
    try:
        from headcount.cli import main as run  # noqa: PLC0415 - within the try

        run()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()
