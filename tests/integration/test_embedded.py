"""The embedded servers as their users meet them: real ones, whose data outlives what happens to them."""

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError

from embedded import EmbeddedKafka, EmbeddedValkey
from embedded.ports import find_free_port
from ingest.errors import OperatorError
from tests.support.leftovers import end_leftovers
from tests.support.servers import Servers
from tests.support.waiting import scaled, wait_until

CODECS = ("gzip", "snappy", "lz4", "zstd")
RUN = """
import asyncio, sys
from pathlib import Path
from embedded import EmbeddedValkey

valkey = EmbeddedValkey(home=Path(sys.argv[1]))
asyncio.run(valkey.start())
print("pid", valkey.pid, flush=True)
sys.stdin.read()
"""


async def create_topic(address: str, topic: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=address)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, num_partitions=1, replication_factor=1)])
    finally:
        await admin.close()


async def publish(address: str, topic: str, value: bytes, codec: str | None = None) -> None:
    async with AIOKafkaProducer(bootstrap_servers=address, compression_type=codec, acks="all") as producer:
        await producer.send_and_wait(topic, value)


async def read_all(address: str, topic: str) -> Sequence[bytes]:
    partition = TopicPartition(topic, 0)
    async with AIOKafkaConsumer(bootstrap_servers=address, enable_auto_commit=False) as consumer:
        consumer.assign([partition])
        end = (await consumer.end_offsets([partition]))[partition]
        consumer.seek(partition, 0)
        return [(await consumer.getone()).value for _ in range(end)]


@asynccontextmanager
async def client_of(valkey: EmbeddedValkey) -> AsyncIterator[Redis]:
    async with Redis.from_url(valkey.url, decode_responses=True) as client:
        yield client


async def test_kafka_keeps_its_log_and_address_over_a_kill_and_a_stop(
    embedded_kafka: Servers[EmbeddedKafka], topic: str
) -> None:
    kafka = await embedded_kafka.start()
    address = kafka.bootstrap_servers
    await create_topic(address, topic)
    await publish(address, topic, b"before the kill")

    kafka.kill()
    assert not kafka.is_running
    await kafka.start()
    assert kafka.bootstrap_servers == address
    await publish(address, topic, b"after the kill")

    began = time.monotonic()
    await kafka.stop()
    assert time.monotonic() - began < scaled(10)
    await kafka.start()
    assert await read_all(address, topic) == [b"before the kill", b"after the kill"]


async def test_kafka_starts_over_a_format_that_was_cut_short(
    embedded_kafka: Servers[EmbeddedKafka], topic: str
) -> None:
    kafka = embedded_kafka(heap_megabytes=256)
    unfinished = kafka.folder / "data.unfinished"
    unfinished.mkdir(parents=True)
    (unfinished / "meta.properties").write_text("version=1\ncluster.i")
    await kafka.start()
    await create_topic(kafka.bootstrap_servers, topic)
    assert psutil.Process(kafka.pid).cmdline().count("-Xmx256m") == 1


async def test_a_kafka_with_a_wrong_setting_is_refused_with_its_own_words(
    embedded_kafka: Servers[EmbeddedKafka],
) -> None:
    kafka = embedded_kafka(settings={"log.retention.ms": "soon"})
    with pytest.raises(OperatorError) as refusal:
        await kafka.start()
    assert "Invalid value soon for configuration log.retention.ms" in str(refusal.value)
    assert str(refusal.value).endswith(f"Its log: {kafka.log_path}")


async def test_a_kafka_on_the_port_that_its_controller_had_moves_the_controller(
    embedded_kafka: Servers[EmbeddedKafka], topic: str
) -> None:
    port = find_free_port()
    kafka = embedded_kafka(port=port)
    kafka.folder.mkdir(parents=True)
    (kafka.folder / "controller-port").write_text(f"{port}\n")
    await kafka.start()
    await create_topic(kafka.bootstrap_servers, topic)


async def test_a_kafka_on_a_taken_port_is_refused(embedded_kafka: Servers[EmbeddedKafka]) -> None:
    taken = find_free_port()
    async with await asyncio.start_server(lambda _reader, _writer: None, "127.0.0.1", taken):
        with pytest.raises(OperatorError, match=f"^Port {taken} on"):
            await embedded_kafka.start(port=taken)


@pytest.mark.parametrize("codec", CODECS)
async def test_kafka_takes_every_compression(kafka_bootstrap_servers: str, topic: str, codec: str) -> None:
    await create_topic(kafka_bootstrap_servers, topic)
    await publish(kafka_bootstrap_servers, topic, b"compressed" * 100, codec)
    assert await read_all(kafka_bootstrap_servers, topic) == [b"compressed" * 100]


async def test_a_suspended_kafka_goes_on_when_resumed(
    embedded_kafka: Servers[EmbeddedKafka], topic: str
) -> None:
    kafka = await embedded_kafka.start()
    await create_topic(kafka.bootstrap_servers, topic)
    kafka.suspend()
    publishing = asyncio.create_task(publish(kafka.bootstrap_servers, topic, b"patience"))
    await wait_until(lambda: psutil.Process(kafka.pid).status() == psutil.STATUS_STOPPED)
    assert not publishing.done()
    kafka.resume()
    await publishing
    assert await read_all(kafka.bootstrap_servers, topic) == [b"patience"]


@pytest.mark.parametrize("end", ["stop", "kill"])
async def test_valkey_keeps_its_data_and_address(embedded_valkey: Servers[EmbeddedValkey], end: str) -> None:
    valkey = await embedded_valkey.start()
    url = valkey.url
    async with client_of(valkey) as client:
        await client.mset({f"key-{number}": number for number in range(1000)})
    if end == "stop":
        await valkey.stop()
    else:
        valkey.kill()
    await valkey.start()
    assert valkey.url == url
    async with client_of(valkey) as client:
        assert await client.dbsize() == 1000


async def test_valkey_drops_nothing_and_writes_all_down(embedded_valkey: Servers[EmbeddedValkey]) -> None:
    async with client_of(await embedded_valkey.start()) as client:
        settings = await client.config_get("maxmemory-policy", "appendonly", "appendfsync", "save", "bind")
    assert settings == {
        "maxmemory-policy": "noeviction",
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        "bind": "127.0.0.1",
    }


async def test_valkeys_password_is_in_its_url_and_in_no_command_line(
    embedded_valkey: Servers[EmbeddedValkey],
) -> None:
    valkey = await embedded_valkey.start(options={"requirepass": "p@ss/word"})
    async with client_of(valkey) as client:
        assert await client.ping()
    async with Redis(port=valkey.port, retry=Retry(NoBackoff(), 0)) as stranger:
        with pytest.raises(AuthenticationError):
            await stranger.ping()
    assert "p@ss/word" not in " ".join(psutil.Process(valkey.pid).cmdline())


async def test_a_valkey_with_a_wrong_option_is_refused_with_its_own_words(
    embedded_valkey: Servers[EmbeddedValkey],
) -> None:
    with pytest.raises(
        OperatorError, match="exited during startup: Bad directive or wrong number of arguments"
    ):
        await embedded_valkey.start(options={"no-such-option": "1"})


async def test_a_valkey_that_loads_its_data_is_not_started_yet(
    embedded_valkey: Servers[EmbeddedValkey],
) -> None:
    valkey = await embedded_valkey.start()
    async with client_of(valkey) as client:
        await client.mset({f"key-{number}": "x" * 100 for number in range(5_000)})
        await client.bgrewriteaof()
        await wait_until(lambda: is_rewritten(client))
    await valkey.stop()
    slowly = {
        "key-load-delay": "50",
        "loading-process-events-interval-bytes": "1024",
    }  # in microseconds a key
    slow = embedded_valkey(home=valkey.log_path.parent, options=slowly)
    await slow.start()
    async with client_of(slow) as client:
        assert await client.dbsize() == 5_000


async def is_rewritten(client: Redis) -> bool:
    persistence = await client.info("persistence")
    return not persistence["aof_rewrite_in_progress"] and not persistence["aof_rewrite_scheduled"]


async def test_a_second_server_on_a_live_ones_home_is_refused(
    embedded_valkey: Servers[EmbeddedValkey], tmp_path: Path
) -> None:
    first = await embedded_valkey.start(home=tmp_path)
    with pytest.raises(OperatorError, match="is in use by process"):
        await embedded_valkey.start(home=tmp_path)
    assert first.is_running


def killed_run(home: Path) -> int:
    """Kill a run in the midst of its life, and return the number of the server that it leaves behind."""
    command = [sys.executable, "-c", RUN, str(home)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        leftover = next(int(line.split()[1]) for line in run.stdout if line.startswith("pid"))
        run.kill()
    assert psutil.pid_exists(leftover)
    return leftover


def has_ended(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


async def test_the_next_run_ends_the_server_of_a_killed_one_and_has_its_folder(
    embedded_valkey: Servers[EmbeddedValkey], tmp_path: Path
) -> None:
    leftover = killed_run(tmp_path)
    valkey = await embedded_valkey.start(home=tmp_path)
    assert has_ended(leftover)
    assert valkey.is_running


def test_tests_end_the_servers_of_killed_runs_and_of_no_others(
    embedded_valkey: Servers[EmbeddedValkey], tmp_path: Path
) -> None:
    leftover = killed_run(tmp_path / "killed")
    living = embedded_valkey(home=tmp_path / "living")
    asyncio.run(living.start())
    end_leftovers(tmp_path)
    assert has_ended(leftover)
    assert living.is_running


async def test_both_servers_share_a_home_and_listen_on_the_loopback_only(
    embedded_kafka: Servers[EmbeddedKafka], embedded_valkey: Servers[EmbeddedValkey], tmp_path: Path
) -> None:
    home = tmp_path / "a home, with a comma and an é"
    servers = [await embedded_valkey.start(home=home), await embedded_kafka.start(home=home)]
    addresses = {
        connection.laddr.ip.removeprefix("::ffff:")
        for server in servers
        for connection in psutil.Process(server.pid).net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }
    assert addresses == {"127.0.0.1"}
    assert sorted(path.name for path in home.iterdir()) == ["kafka", "kafka.log", "valkey", "valkey.log"]


async def test_a_client_starts_on_an_empty_database(redis_client: Redis) -> None:
    assert await redis_client.dbsize() == 0
    await redis_client.set("left", "behind")


async def test_a_client_starts_on_an_empty_database_after_another(redis_client: Redis) -> None:
    assert await redis_client.dbsize() == 0
    await redis_client.set("left", "behind")
