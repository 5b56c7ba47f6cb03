"""Damage to single batches of a log, done on disk: no broker would take such a batch from a producer.

The broker may run meanwhile: it serves its segments as they are at that moment, without a look into them.
"""

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cramjam
from aiokafka.record.util import calc_crc32c

from tests.faults.plant import Plant

LENGTH: Final = struct.Struct(">qi")
"""How a batch begins: its first offset, and the number of bytes that follow."""
CRC: Final = slice(17, 21)
CHECKED: Final = 21
"""Where the part begins that the checksum is of."""
CODEC: Final = 22
RECORDS: Final = 61
"""Where the part begins that may be compressed."""
ZSTANDARD: Final = 4
FILLING: Final = struct.Struct("<II")
"""How a frame begins that Zstandard passes over: its mark, and how many bytes of it follow."""
FILLING_MARK: Final = 0x184D2A50
BOMB_FRAMES: Final = 16
FRAME_BYTES: Final = 16 << 20

Damage = Callable[[bytearray], None]


def wrong_checksum(batch: bytearray) -> None:
    """Change a bit of the last record."""
    batch[-2] ^= 1


def unknown_codec(batch: bytearray) -> None:
    """Say that it is compressed in a way that nobody has heard of."""
    batch[CODEC] |= 7
    _sign(batch)


def undecodable(batch: bytearray) -> None:
    """Say that it is compressed by Zstandard, which it is not."""
    batch[CODEC] |= ZSTANDARD
    _sign(batch)


def bomb(batch: bytearray) -> None:
    """Fill it with zeros, 256 MB of them, as Zstandard compresses them."""
    content = bytes(cramjam.zstd.compress(bytes(FRAME_BYTES))) * BOMB_FRAMES
    left = len(batch) - RECORDS - len(content) - FILLING.size
    batch[RECORDS:] = content + FILLING.pack(FILLING_MARK, left) + bytes(left)
    batch[CODEC] |= ZSTANDARD
    _sign(batch)


@dataclass(frozen=True, slots=True)
class Damaged:
    """A batch that was damaged: where it is, and what it was."""

    segment: Path
    position: int
    sound: bytes
    offset: int

    def mend(self) -> None:
        """Put back what was there."""
        _write(self.segment, self.position, self.sound)


def damage(plant: Plant, partition: int, marker: bytes, how: Damage) -> Damaged:
    """Damage the batch that holds `marker`."""
    segment = plant.kafka.data_folder / f"{plant.topic}-{partition}" / f"{0:020}.log"
    log = segment.read_bytes()
    position, batch = next(each for each in _batches(log) if marker in each[1])
    changed = bytearray(batch)
    how(changed)
    _write(segment, position, bytes(changed))
    offset, _ = LENGTH.unpack_from(batch)
    return Damaged(segment, position, batch, offset)


def _batches(log: bytes) -> Iterator[tuple[int, bytes]]:
    position = 0
    while position < len(log):
        _, length = LENGTH.unpack_from(log, position)
        end = position + LENGTH.size + length
        yield position, log[position:end]
        position = end


def _sign(batch: bytearray) -> None:
    batch[CRC] = calc_crc32c(bytes(batch[CHECKED:])).to_bytes(4, "big")


def _write(segment: Path, position: int, content: bytes) -> None:
    with segment.open("rb+") as file:
        file.seek(position)
        file.write(content)
