"""`headcount dead-letters` on a real Kafka: what was poison is listed, shown and redriven."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import orjson
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from redis.asyncio import Redis

from headcount.clients import kafka_options
from headcount.ops.dead_letters.overview import dead_letter_topic
from headcount.preflight.connections import admin_client
from headcount.wiring import utc_now
from ingest.batch import Partition
from ingest.kafka.dead_letters import KafkaDeadLetters
from ingest.ports import DeadLetter
from projector import keys
from tests.support.deployment import Deployment, deployed, event
from tests.support.fakes_log import FakeRecord
from tests.support.people import count

TOO_STRICT = {"MAX_EVENT_BYTES": "256"}


@pytest.fixture
async def deployment(
    kafka_bootstrap_servers: str, topic: str, redis_url: str, redis_client: Redis
) -> AsyncIterator[Deployment]:
    """A deployment that refuses events above 256 bytes."""
    async with deployed(kafka_bootstrap_servers, topic, redis_url, **TOO_STRICT) as deployment:
        yield deployment


async def test_poison_is_listed_by_reason_and_shown_as_it_is(deployment: Deployment) -> None:
    await deployment.publish(event("anna"), b"[/b] \x1b[31m", None, key=b"k\xff", headers=[("trace", b"1")])
    await deployment.publish(b"\xff\x00" * 2_000)
    await deployment.count()
    listed = await deployment.headcount("dead-letters", "list", "--json", "--limit", "1")
    of_reason = await deployment.headcount("dead-letters", "list", "--reason", "not-json", "--since", "1d")
    shown = await deployment.headcount("dead-letters", "show", "0:0")
    raw = await deployment.headcount("dead-letters", "show", "0:2", "--raw")
    nowhere = await deployment.headcount("dead-letters", "show", "0:3")
    assert {each["reason"]: each["letters"] for each in listed.json["reasons"]} == {
        "not-json": 1,
        "no-value": 1,
        "too-large": 1,
    }
    (newest,) = listed.json["letters"]
    assert (newest["letter"], newest["source"], newest["value_bytes"]) == ("0:2", "0:3", 4_000)
    assert "0:1" in of_reason.text
    assert "too-large" not in of_reason.text
    assert "[/b] \\x1b[31m" in shown.text
    assert "\x1b" not in shown.text
    assert raw.stdout == b"\xff\x00" * 2_000
    assert (nowhere.exit_code, nowhere.stdout) == (1, b"")
    assert nowhere.stderr.startswith("headcount: There is no dead letter at 0:3")


async def test_a_letter_that_was_published_twice_is_listed_once(
    deployment: Deployment, redis_client: Redis
) -> None:
    await deployment.publish(b"poison")
    await deployment.count()
    await redis_client.flushdb()
    await deployment.count()
    listed = (await deployment.headcount("dead-letters", "list", "--json")).json
    assert [each["letter"] for each in listed["letters"]] == ["0:0"]
    assert listed["reasons"] == [{"reason": "not-json", "letters": 1, "redriven": 0}]


async def test_what_is_mended_is_counted_on_its_day_and_what_is_not_comes_back(
    deployment: Deployment, redis_client: Redis
) -> None:
    yesterday = datetime.now(UTC) - timedelta(days=1)
    large = event("anna", yesterday, note="x" * 300)
    await deployment.publish(large, key=b"k", headers=[("trace", b"1")], partition=1)
    await deployment.publish(b"poison")
    await deployment.count()
    mended = deployment.with_settings(MAX_EVENT_BYTES="65536")
    tried = await mended.headcount("dead-letters", "redrive", "--all", "--dry-run")
    assert tried.text == "2 records would be published again.\n"
    unasked = await mended.program("dead-letters", "redrive", "--all")
    assert unasked.exit_code == 1
    assert "Publish 2 records to" in unasked.stderr
    done = await mended.headcount("dead-letters", "redrive", "--all", "--yes", "--json")
    assert (done.json["redriven"], done.json["left_out"]) == (2, {})
    await mended.count()

    assert await count(redis_client, keys.FIRST.day("acme", yesterday.date())) == 1
    again = (await mended.read(mended.config.kafka.topic, partition=1))[1]
    assert (again.key, again.value) == (b"k", large)
    assert list(again.headers) == [("trace", b"1"), ("headcount-redriven", b"1")]
    listed = (await mended.headcount("dead-letters", "list", "--json")).json
    assert listed["reasons"] == [
        {"reason": "not-json", "letters": 2, "redriven": 1},
        {"reason": "too-large", "letters": 1, "redriven": 1},
    ]
    newest = listed["letters"][0]
    assert (newest["reason"], newest["redrives"], newest["redriven"]) == ("not-json", 1, False)


async def test_a_second_redrive_of_all_sends_nothing_twice(deployment: Deployment) -> None:
    await deployment.publish(b"poison")
    await deployment.count()
    await deployment.headcount("dead-letters", "redrive", "0:0", "--yes")
    second = await deployment.headcount("dead-letters", "redrive", "--all", "--yes", "--json")
    assert (second.json["chosen"], second.json["redriven_before"]) == (0, 1)
    forced = await deployment.headcount("dead-letters", "redrive", "0:0", "--force", "--yes", "--json")
    assert forced.json["redriven"] == 1
    assert len(await deployment.read(deployment.config.kafka.topic)) == 3


async def test_an_abridged_letter_is_redriven_whole_from_the_log(deployment: Deployment) -> None:
    """And its record, of more than a megabyte, is refused by no client of ours."""
    value = event("anna", note="x" * 3_000_000)
    await deployment.publish_large(value)
    await deployment.count()
    shown = (await deployment.headcount("dead-letters", "show", "0:0", "--json")).json
    assert (shown["abridged"], shown["value_bytes"], shown["value"]["bytes"]) == (True, len(value), 16_384)
    done = await deployment.headcount("dead-letters", "redrive", "--reason", "too-large", "--yes", "--json")
    assert (done.json["redriven"], done.json["left_out"]) == (1, {})
    assert [record.value for record in await deployment.read(deployment.config.kafka.topic)] == [
        value,
        value,
    ]


async def test_an_abridged_letter_whose_record_is_gone_is_left_out_with_a_sentence(
    deployment: Deployment,
) -> None:
    await deployment.publish(b"x" * 950_000, b"poison")
    await deployment.count()
    await deployment.drop_records(up_to=1)
    done = await deployment.headcount("dead-letters", "redrive", "--all", "--yes")
    assert done.exit_code == 0
    assert done.stderr.startswith("0:0: It holds only the beginning of its record")
    assert done.text.startswith("Published 1 of 2 records")
    listed = (await deployment.headcount("dead-letters", "list", "--json")).json
    assert [each["redriven"] for each in listed["letters"]] == [True, False]


async def test_a_record_without_key_and_value_is_redriven_like_any_other(deployment: Deployment) -> None:
    """It is no event again, and comes back."""
    nothing = FakeRecord(headers=[("null", None)])
    letters = KafkaDeadLetters(deployment.config.kafka.topic, kafka_options(deployment.config))
    await letters.start()
    source = Partition(deployment.config.kafka.topic, 1)
    await letters.publish(
        [DeadLetter(partition=source, record=nothing, reason="no-value", error="it has no value")]
    )
    await letters.stop()
    shown = await deployment.headcount("dead-letters", "show", "0:0", "--json")
    assert shown.json["headers"] == [{"name": "null"}]
    done = await deployment.headcount("dead-letters", "redrive", "--all", "--yes", "--json")
    assert (done.json["redriven"], done.json["left_out"]) == (1, {})
    (again,) = await deployment.read(deployment.config.kafka.topic, partition=1)
    assert (again.key, again.value) == (None, None)
    assert list(again.headers) == [("null", None), ("headcount-redriven", b"1")]


async def test_a_topic_that_is_not_there_is_not_one_without_letters(
    deployment: Deployment, topic: str
) -> None:
    elsewhere = deployment.with_settings(KAFKA_TOPIC=f"{topic}-other")
    assert dead_letter_topic(elsewhere.config) == f"{topic}-other.dlq"
    listed = await elsewhere.headcount("dead-letters", "list")
    redriven = await elsewhere.headcount("dead-letters", "redrive", "--all")
    assert (listed.exit_code, listed.text) == (redriven.exit_code, redriven.text) == (1, "")
    assert f"has no topic {topic}-other.dlq: " in listed.stderr
    assert f"has no topic {topic}-other.dlq: " in redriven.stderr


async def test_a_letter_of_somebody_else_is_passed_over(deployment: Deployment) -> None:
    await deployment.publish(orjson.dumps({"not": "ours"}), topic=dead_letter_topic(deployment.config))
    listed = await deployment.headcount("dead-letters", "list")
    assert listed.text == "No dead letters.\n"


async def test_foreign_notes_and_timestamps_stop_no_command(deployment: Deployment) -> None:
    """Anybody may write to either topic, and stamp a record in microseconds: that is the year 57864."""
    topic, letters = deployment.config.kafka.topic, dead_letter_topic(deployment.config)
    await deployment.publish(event("anna"), b"poison")
    await deployment.count()
    anything_goes = {"message.timestamp.type": "CreateTime", "message.timestamp.after.max.ms": str(2**63 - 1)}
    async with admin_client(deployment.config) as admin:
        resources = [
            ConfigResource(ConfigResourceType.TOPIC, name, anything_goes) for name in (topic, letters)
        ]
        await admin.alter_configs(resources)
    note = [("headcount-note", b"redriven")]
    for value in (b"no note", b'{"a": 1}', b"[[1, 2]]", b"[" * 100_000):
        await deployment.publish(value, topic=letters, headers=note)
    microseconds = int(utc_now().timestamp() * 1_000_000)
    producer = AIOKafkaProducer(bootstrap_servers=deployment.config.kafka.bootstrap_servers)
    async with producer:
        for name in (topic, letters):
            await producer.send_and_wait(name, event("bert"), partition=0, timestamp_ms=microseconds)

    listed = await deployment.headcount("dead-letters", "list", "--json")
    assert [each["letters"] for each in listed.json["reasons"]] == [1]
    since = await deployment.headcount("dead-letters", "list", "--since", "1h")
    assert (since.exit_code, "not-json" in since.text) == (0, True)
    shown = await deployment.headcount("dead-letters", "show", "0:1")
    assert shown.stderr.startswith("headcount: There is no dead letter at 0:1")
    doctor = await deployment.headcount("doctor", "--json")
    assert "dead letters wait" in next(
        each["found"] for each in doctor.json["findings"] if each["check"] == "dead letters"
    )
    await deployment.drop_records(up_to=1)
    verified = await deployment.headcount("verify", "--workspace", "acme")
    assert verified.exit_code == 3  # the log lost records: there is no verdict
    assert "may have lost events" in verified.text
    redriven = await deployment.headcount("dead-letters", "redrive", "--all", "--yes")
    assert redriven.text == f"Published 1 of 1 record to {topic} again.\n"


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
async def test_what_the_terminal_cannot_encode_ends_no_command(deployment: Deployment, encoding: str) -> None:
    await deployment.publish(event("anna", user_type="\u00e9\u4e2d" * 100), "poison \u00e9\u4e2d".encode())
    await deployment.count()
    narrow = deployment.with_settings(PYTHONIOENCODING=encoding, LC_ALL="C")
    for command in (["list"], ["list", "--json"], ["show", "0:0"], ["show", "0:1"], ["show", "0:1", "--raw"]):
        ended = await narrow.program("dead-letters", *command)
        assert (ended.exit_code, ended.stderr) == (0, "")
    shown = await narrow.program("dead-letters", "show", "0:1")
    # Where the encoding is ASCII, click writes UTF-8 all the same.
    expected = "poison \u00e9\u4e2d\n".encode(
        "utf-8" if encoding == "ascii" else encoding, "backslashreplace"
    )
    assert shown.stdout.endswith(expected)
