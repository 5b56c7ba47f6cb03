"""A Kafka that answers at its bootstrap address and sends clients to another one that they cannot use."""

from pathlib import Path

import pytest

from embedded import EmbeddedKafka
from embedded.ports import find_free_port
from headcount.preflight.connections import create_topics
from headcount.wiring import load_config
from ingest.errors import UnavailableError


@pytest.mark.parametrize(
    ("advertised", "problem"),
    [("kafka.invalid:29092", "can't be resolved"), ("127.0.0.1:1", "can't be reached")],
)
async def test_an_unusable_advertised_listener_is_named(
    tmp_path: Path, advertised: str, problem: str
) -> None:
    port = find_free_port()
    listeners = {"advertised.listeners": f"CLIENT://{advertised}"}
    kafka = EmbeddedKafka(home=tmp_path, port=port, settings=listeners)
    await kafka.start()
    try:
        config = load_config({"KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers})
        with pytest.raises(UnavailableError) as caught:
            await create_topics(config)
    finally:
        kafka.kill()
    assert str(caught.value).startswith(
        f"Kafka at {kafka.bootstrap_servers} answers but redirects clients to its advertised listener "
        f"{advertised}, which {problem}"
    )
