"""Metadata requests that never create a topic, and that find the brokers again when all addresses changed.

By default, aiokafka's requests have the broker create what is missing: a topic that an operator deleted
would come back with the broker's defaults for partitions, replicas and retention. And aiokafka asks only
brokers that it knows: once none of them answers, it never looks at `bootstrap_servers` again. Kafka's own
client does (KIP-899, KIP-1102). aiokafka has no setting for either.
"""

import asyncio
import inspect
from collections.abc import Iterable
from functools import cache, wraps
from typing import Any, Final

from aiokafka.client import AIOKafkaClient
from aiokafka.cluster import ClusterMetadata
from aiokafka.errors import IncompatibleBrokerVersion, KafkaError
from aiokafka.protocol.metadata import MetadataRequest

from ingest.errors import OperatorError
from ingest.kafka.shutdown import consume_exception

FIRST_VERSION: Final = 4
"""The first version of the request that can say so (Kafka 0.11); the ones before always create."""
BOOTSTRAP_SECONDS: Final = 1.0
"""How long a bootstrap that is no longer wanted may take to close its connection."""
BOOTSTRAP_OPTIONS: Final = (
    "bootstrap_servers",
    "client_id",
    "request_timeout_ms",
    "ssl_context",
    "security_protocol",
    "connections_max_idle_ms",
    "sasl_mechanism",
    "sasl_plain_username",
    "sasl_plain_password",
    "sasl_kerberos_service_name",
    "sasl_kerberos_domain_name",
    "sasl_oauth_token_provider",
)
"""What a client needs to reach the bootstrap servers; each client keeps it under the name with a `_`."""


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


class _BootstrapClient(AIOKafkaClient):  # type: ignore[misc]  # aiokafka ships no types
    """A client for one look at the bootstrap servers, which never bootstraps again itself."""

    _metadata_update: Any = getattr(AIOKafkaClient, "_metadata_update", None)


@cache
def install_rebootstrap() -> None:
    """Have every client of this process bootstrap again where no broker that it knows answers, from now on.

    Also has it wait `retry_backoff_ms` after it heard of a partition without leader: the consumer asks again
    at once, hundreds of times a second. Raises `OperatorError` where the installed aiokafka updates its
    metadata in an unknown way.
    """
    update = _BootstrapClient._metadata_update  # noqa: SLF001  aiokafka's own, before it is replaced
    signature = inspect.signature(AIOKafkaClient.__init__).parameters.keys()
    attributes = {f"_{option}" for option in (*BOOTSTRAP_OPTIONS, "retry_backoff")}
    if (
        update is None
        or not signature >= {*BOOTSTRAP_OPTIONS}
        or not attributes <= {*AIOKafkaClient.__init__.__code__.co_names}
        or [*inspect.signature(update).parameters] != ["self", "cluster_metadata", "topics"]
    ):
        raise OperatorError(
            "The installed aiokafka updates its metadata in an unknown way, and might never find brokers"
            " whose addresses changed: install the version that requirements/ names."
        )

    @wraps(update)
    async def update_or_bootstrap(
        self: AIOKafkaClient, cluster_metadata: ClusterMetadata, topics: Iterable[str]
    ) -> bool:
        if not await update(self, cluster_metadata, topics) and not await _bootstrap(
            self, cluster_metadata, topics
        ):
            return False
        if _lacks_leader(cluster_metadata):
            await asyncio.sleep(self._retry_backoff)
        return True

    AIOKafkaClient._metadata_update = update_or_bootstrap  # noqa: SLF001


async def _bootstrap(client: AIOKafkaClient, metadata: ClusterMetadata, topics: Iterable[str]) -> bool:
    """Update the metadata by another client: the first must not lose the topics that it knows meanwhile."""
    options = {option: getattr(client, f"_{option}") for option in BOOTSTRAP_OPTIONS}
    fresh = _BootstrapClient(**options)
    bootstrap = asyncio.create_task(fresh.bootstrap())
    bootstrap.add_done_callback(consume_exception)
    try:
        await asyncio.shield(bootstrap)
        return bool(await fresh._metadata_update(metadata, topics))  # noqa: SLF001
    except KafkaError:
        return False
    finally:
        # aiokafka leaves a connection open if its bootstrap is cancelled.
        await asyncio.wait({bootstrap}, timeout=BOOTSTRAP_SECONDS)
        bootstrap.cancel()
        await fresh.close()


def _lacks_leader(metadata: ClusterMetadata) -> bool:
    return any(
        metadata.available_partitions_for_topic(topic) != metadata.partitions_for_topic(topic)
        for topic in metadata.topics(exclude_internal_topics=False)
    )


def _may_create(topics: list[str] | None) -> bool:
    request = MetadataRequest(topics).prepare({MetadataRequest.API_KEY: (0, FIRST_VERSION)})
    return getattr(request, "allow_auto_topic_creation", True) is not False


def _unknown_aiokafka() -> OperatorError:
    return OperatorError(
        "The installed aiokafka builds metadata requests in an unknown way, and might create topics that were"
        " deleted: install the version that requirements/ names."
    )
