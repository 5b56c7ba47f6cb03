"""Writes the lock file of Kafka's jars: `python -m embedded.lock_jars`."""

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import jgo
from jgo.maven import Artifact

from embedded.jars import KAFKA_VERSION, LOCK_FILE

# The second one logs to stderr; Kafka's own dependencies leave the choice of a logger to the user.
_ENDPOINTS: Final = (f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}", "org.slf4j:slf4j-simple:1.7.36")


def main() -> None:
    """Write the lock file next to this module."""
    path = Path(__file__).with_name(LOCK_FILE)
    artifacts = {str(artifact): artifact for endpoint in _ENDPOINTS for artifact in jgo.resolve(endpoint)}
    path.write_text("\n".join(("# Written by embedded.lock_jars", *_lines(artifacts.values()), "")))


def _lines(artifacts: Iterable[Artifact]) -> Iterator[str]:
    for artifact in sorted(artifacts, key=str):
        sha256 = hashlib.sha256(artifact.resolve().read_bytes()).hexdigest()
        yield f"{sha256}  {artifact.groupId}:{artifact.artifactId}:{artifact.version}"


if __name__ == "__main__":
    main()
