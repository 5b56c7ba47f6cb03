"""Metadata requests never create a topic: by default, aiokafka's ask the broker to create what is missing.

A topic that an operator deleted would come back with the broker's defaults for partitions, replicas and
retention, as soon as any client asks for it. aiokafka has no setting for this.
"""

from functools import cache, wraps
from typing import Any, Final

from aiokafka.errors import IncompatibleBrokerVersion
from aiokafka.protocol.metadata import MetadataRequest

from ingest.errors import OperatorError

FIRST_VERSION: Final = 4
"""The first version of the request that can say so (Kafka 0.11); the ones before always create."""


@cache
def disallow_topic_creation() -> None:
    """Have every client of this process ask for metadata without creating topics, from now on.

    Clients, consumers, producers and admin clients all build the request by this one class. Raises
    `OperatorError` where the installed aiokafka builds it otherwise.
    """
    build = getattr(MetadataRequest, "build", None)
    if build is None:
        raise _unknown_aiokafka()

    @wraps(build)
    def build_without_creation(self: Any, struct: Any) -> Any:  # noqa: ANN401  aiokafka ships no types
        if struct.API_VERSION < FIRST_VERSION and self._topics != []:  # an empty list asks for brokers only
            raise IncompatibleBrokerVersion("Kafka is older than 0.11: it would create topics when asked")
        self._allow_auto_topic_creation = False
        return build(self, struct)

    MetadataRequest.build = build_without_creation
    if _may_create(["topic"]) or _may_create(None):
        raise _unknown_aiokafka()


def _may_create(topics: list[str] | None) -> bool:
    request = MetadataRequest(topics).prepare({MetadataRequest.API_KEY: (0, FIRST_VERSION)})
    return getattr(request, "allow_auto_topic_creation", True) is not False


def _unknown_aiokafka() -> OperatorError:
    return OperatorError(
        "The installed aiokafka builds metadata requests in an unknown way, and might create topics that were"
        " deleted: install the version that requirements/ names."
    )
