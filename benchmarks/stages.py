"""The stages of a worker's work, told from the stacks that a sampler found it in. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

STAGES: Final[Mapping[str, Sequence[str]]] = {
    "fetch": (
        "aiokafka/",
        "ingest/kafka/source.py",
        "ingest/kafka/polling.py",
        "ingest/kafka/aiokafka_patches.py",
        "ingest/kafka/decompression.py",
    ),
    "sort and decode": (
        "ingest/events/decoding.py",
        "ingest/events/event.py",
        "ingest/events/instant.py",
        "ingest/cloud_event",
    ),
    "fold": (
        *(
            f"projector/{name}.py"
            for name in ("fold", "calendar", "people", "audience", "pseudonyms", "recent")
        ),
    ),
    "pack and apply": ("projector/projection.py", "projector/keys.py", "projector/scripts.py"),
    "Redis client": ("redis/",),
    "worker loop": ("ingest/", "projector/", "headcount/"),
}
"""By the innermost frame in one of these files: what a stage calls in other libraries is its own time."""
EVENT_LOOP: Final = "event loop"
OTHER: Final = "other"
AT_WORK: Final = ("(asyncio/runners.py", "(threading.py")
"""What is under a stack once all is imported: the event loop of a command, or another thread."""


@dataclass(frozen=True, slots=True)
class Stack:
    """Frames from the outermost to the innermost, as `function (file:line)`, and how often it was seen."""

    frames: Sequence[str]
    samples: int


def read_stacks(text: str) -> list[Stack]:
    """Read folded stacks, but those of the start: frames with semicolons between them, then how often."""
    lines = (line.rpartition(" ") for line in text.splitlines())
    stacks = (Stack(frames.split(";"), int(samples)) for frames, _, samples in lines if frames)
    return [stack for stack in stacks if _has(stack, AT_WORK)]


def stage_of(stack: Stack) -> str:
    """Return the stage that a stack is in: what the event loop does for another stage is that stage's."""
    for frame in reversed(stack.frames):
        for stage, files in STAGES.items():
            if any(file in frame for file in files):
                return stage
    return EVENT_LOOP if _has(stack, ("(asyncio/", "(selectors.py")) else OTHER


def samples_by_stage(stacks: Iterable[Stack]) -> Counter[str]:
    """Count the samples of each stage."""
    found: Counter[str] = Counter()
    for stack in stacks:
        found[stage_of(stack)] += stack.samples
    return found


def samples_by_function(stacks: Iterable[Stack]) -> Counter[str]:
    """Count the samples of each function that was innermost, without its line."""
    found: Counter[str] = Counter()
    for stack in stacks:
        function, _, line = stack.frames[-1].rpartition(":")
        found[f"{function})" if line else stack.frames[-1]] += stack.samples
    return found


def _has(stack: Stack, parts: Iterable[str]) -> bool:
    return any(part in frame for frame in stack.frames for part in parts)
