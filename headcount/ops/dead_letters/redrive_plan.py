"""The plan of a redrive: the selected letters, and which of them are published again."""

from dataclasses import dataclass
from typing import Final

from headcount.ops.dead_letters.letters import Letter, Origin, Place
from headcount.ops.dead_letters.overview import Ledger, check_partition, dead_letter_topic, no_letter
from headcount.preflight.connections import open_log
from headcount.wiring import Config

MAX_REDRIVES: Final = 5
"""How often a record is redriven before further redrives must be forced."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The letters to redrive: those at `places`, or else all of a reason, or all.

    `forced` includes those that were redriven already, and those that came back too often.
    """

    places: frozenset[Place] = frozenset()
    reason: str | None = None
    forced: bool = False

    def takes(self, letter: Letter) -> bool:
        """Return whether the letter is selected."""
        return letter.place in self.places if self.places else self.reason in {None, letter.reason}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The positions of the letters to redrive, and the numbers of those left out, by reason.

    `topic` is the topic that their records are published to.
    """

    topic: str
    places: frozenset[Place]
    redriven_before: int
    came_back_too_often: int


async def plan_redrive(config: Config, selection: Selection) -> Plan:
    """Read and select letters; raises `OperatorError` for a position without a letter, `UnavailableError`."""
    ledger, chosen = Ledger(), dict[Origin, Letter]()

    def add(letter: Letter) -> None:
        if selection.takes(letter):
            chosen[letter.origin] = letter.without_value()

    async with open_log(config, dead_letter_topic(config)) as log:
        for place in sorted(selection.places):
            check_partition(log, place)
        await ledger.read(log, log.extents, add)
    unknown = selection.places - {letter.place for letter in chosen.values()}
    if unknown:
        raise no_letter(min(unknown))
    return choose(config.kafka.topic, selection, ledger, chosen)


def choose(topic: str, selection: Selection, ledger: Ledger, chosen: dict[Origin, Letter]) -> Plan:
    before = set() if selection.forced else chosen.keys() & ledger.redriven
    fresh = [letter for origin, letter in chosen.items() if origin not in before]
    kept = [letter for letter in fresh if selection.forced or letter.redrives < MAX_REDRIVES]
    return Plan(
        topic=topic,
        places=frozenset(letter.place for letter in kept),
        redriven_before=len(before),
        came_back_too_often=len(fresh) - len(kept),
    )
