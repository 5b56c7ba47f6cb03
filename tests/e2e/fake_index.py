"""A package index of empty wheels: what a lock file names, and a newer release of each package."""

import hashlib
import re
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.markers import Marker

NEWER = "9999"
EXTRA = "trap"


@dataclass(frozen=True, slots=True)
class Pin:
    """One package of a lock file."""

    name: str
    version: str
    marker: str

    @property
    def applies(self) -> bool:
        return not self.marker or Marker(self.marker).evaluate()


def read_pins(lock: Path) -> list[Pin]:
    """Read the packages of a lock file."""
    found = re.findall(r"^([\w.-]+)==([\w.!+-]+)(?: ; (.+?))? \\$", lock.read_text(), re.MULTILINE)
    assert len(found) == lock.read_text().count("==") - sum(marker.count("==") for _, _, marker in found)
    return [Pin(*each) for each in found]


def make_index(folder: Path, pins: Sequence[Pin], lock: Path) -> None:
    """Write the wheels, and a lock file of the pins with the hashes of their wheels.

    Each pinned wheel needs an extra of the next one. Under `--require-hashes`, that is a requirement that the
    lock file does not name, and pip takes the newest release for it.
    """
    folder.mkdir()
    applying = [pin for pin in pins if pin.applies]
    followers = dict(zip(applying, [*applying[1:], *applying[:1]], strict=True))
    lines = []
    for pin in pins:
        next_name = followers[pin].name if pin in followers else ""
        wheel = _write_wheel(folder, pin.name, pin.version, needs=next_name and f"{next_name}[{EXTRA}]")
        _write_wheel(folder, pin.name, NEWER)
        marker = f" ; {pin.marker}" if pin.marker else ""
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        lines.append(f"{pin.name}=={pin.version}{marker} \\\n    --hash=sha256:{digest}\n")
    lock.write_text("".join(lines))


def _write_wheel(folder: Path, name: str, version: str, *, needs: str = "") -> Path:
    stem = f"{re.sub('[-_.]+', '_', name)}-{version}"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nProvides-Extra: {EXTRA}\n"
    metadata += f"Requires-Dist: {needs}\n" if needs else ""
    path = folder / f"{stem}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr(f"{stem}.dist-info/METADATA", metadata)
        wheel.writestr(
            f"{stem}.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{stem}.dist-info/RECORD", "")
    return path
