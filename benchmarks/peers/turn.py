"""A peer's turn: what it is told on its command line."""

from argparse import ArgumentParser
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """Read so many events of the topic from its beginning, and count them in Redis."""

    kafka: str
    redis: str
    topic: str
    group: str
    events: int

    @classmethod
    def told(cls) -> Self:
        """Read the command line."""
        parser = ArgumentParser()
        for name in ("kafka", "redis", "topic", "group"):
            parser.add_argument(f"--{name}", required=True)
        parser.add_argument("--events", type=int, required=True)
        return cls(**vars(parser.parse_args()))
