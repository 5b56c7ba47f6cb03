"""`headcount replay`: publishes recorded activity."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import typer

from headcount.cli.execution import INTERRUPTED, ask
from headcount.cli.output import AsJson, counted, print_json
from headcount.cli.progress import shown
from headcount.ops.replay.publisher import open_publisher
from headcount.ops.replay.recording import LINE_FORM, Activity, Survey, read, shifted, survey
from headcount.ops.replay.replay import End, FullSpeed, Pace, RecordedPace, Replay
from headcount.preflight.connections import create_topics
from headcount.signals import stopped_by_signals
from headcount.wiring import Config, utc_now

_ENDS: Final[dict[End, str]] = {
    "complete": "The whole recording is published.",
    "clock": "Future-dated events were skipped; use --speed to publish them in real time.",
    "interrupted": "The replay was interrupted.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """The recording to publish and the options of the replay."""

    file: Path
    shift_to_today: bool
    speed: float | None
    event_type: str

    def activities(self, found: Survey) -> Iterator[Activity]:
        """Read the file, shifted so that its last day is today (UTC) if requested."""
        days = (utc_now().date() - found.last.date()).days if self.shift_to_today else 0
        return shifted(read(self.file), days)

    def pace(self) -> Pace:
        """Return the requested pace, starting now."""
        return RecordedPace(utc_now, self.speed) if self.speed else FullSpeed(utc_now)


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The result of a replay."""

    topic: str
    published: int
    seconds: float
    events_per_second: float
    end: End


def replay(
    file: Annotated[Path, typer.Argument(help=f"Lines like {LINE_FORM}; gzipped if the name ends in .gz.")],
    *,
    shift_to_today: Annotated[
        bool,
        typer.Option("--shift-to-today", help="Shift it by whole days so that its last day is today (UTC)."),
    ] = False,
    speed: Annotated[
        float | None,
        typer.Option(
            min=0.01, max=1e6, help="A multiple of the recorded pace; as fast as possible if not given."
        ),
    ] = None,
    event_type: Annotated[str, typer.Option("--type", help="The type of the events.")] = "message",
    json: AsJson = False,
) -> None:
    """Publish recorded activity to Kafka, and return once all of it is acknowledged.

    No event is published before it has occurred. Without --speed, future-dated events are skipped; with
    --speed the replay continues in real time until the recording ends.

    Example: `headcount replay activity.tsv.gz --shift-to-today --speed 60`
    """
    request = Request(file=file, shift_to_today=shift_to_today, speed=speed, event_type=event_type)
    summary = ask(lambda config: _replay(config, request))
    if json:
        print_json(summary)
    else:
        typer.echo(f"{_published(summary)} {_ENDS[summary.end]}")
    if summary.end == "interrupted":
        raise typer.Exit(INTERRUPTED)


def _published(summary: Summary) -> str:
    if not summary.published:
        return f"No event was published to {summary.topic}."
    return (
        f"Published {counted(summary.published, 'event')} to {summary.topic} in {summary.seconds:.1f} s "
        f"({summary.events_per_second:,.0f} events/s)."
    )


async def _replay(config: Config, request: Request) -> Summary:
    found = survey(request.file)
    await create_topics(config)
    async with (
        stopped_by_signals() as stopping,
        open_publisher(config) as publisher,
        shown(lambda: publisher.acknowledged, found.lines, unit="events"),
    ):
        start = time.monotonic()
        running = Replay(publisher, request.pace(), stopping)
        outcome = await running.run(request.activities(found), request.event_type)
        seconds = time.monotonic() - start
    return Summary(
        topic=config.kafka.topic,
        published=outcome.published,
        seconds=seconds,
        events_per_second=outcome.published / seconds,
        end=outcome.end,
    )
