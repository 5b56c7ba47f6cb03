"""What can't be read is never reported as empty: missing topics, missing rights, another Redis."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Final

import pytest
from redis.asyncio import Redis

from headcount.preflight.connections import create_topics
from headcount.wiring import load_config
from tests.integration.test_kafka_security import GROUP, READ, TOPIC, WRITE, grant
from tests.support.deployment import Deployment, deployed, event
from tests.support.secured_kafka import SecuredKafka
from tests.support.servers import running

CHECKS: Final = {"audit", "verify"}
"""For these 1 is a verdict, and 3 says that there is none."""
OF_LETTERS: Final = [
    "dead-letters list",
    "dead-letters show 0:0",
    "dead-letters redrive --all --yes",
    "dead-letters redrive 0:0 --yes",
]
OF_BOTH: Final = [
    "status",
    "audit",
    "audit --repair",
    "verify --workspace acme",
    "rebuild --dry-run",
    "rebuild --yes",
    "skip --partition 0 --yes",
]
OF_REDIS: Final = ["gaps list", "gaps list --all", "gaps acknowledge"]


@pytest.fixture
async def deployment(
    kafka_bootstrap_servers: str, topic: str, redis_url: str, redis_client: Redis
) -> AsyncIterator[Deployment]:
    async with deployed(kafka_bootstrap_servers, topic, redis_url) as deployment:
        yield deployment


async def refusal(deployment: Deployment, command: str) -> str:
    """Return the one sentence of a command that fails and prints nothing else."""
    ended = await deployment.headcount(*command.split())
    assert ended.exit_code == (3 if command.split(maxsplit=1)[0] in CHECKS else 1), ended
    assert ended.text == ""
    assert ended.stderr.count("\n") == 1
    return ended.stderr


@pytest.mark.parametrize("command", ["status", *OF_LETTERS])
async def test_a_missing_topic_is_not_an_empty_one(deployment: Deployment, command: str) -> None:
    mistyped = deployment.with_settings(KAFKA_TOPIC=f"{deployment.config.kafka.topic}-typo")
    sentence = await refusal(mistyped, command)
    topic = mistyped.config.kafka.topic + (".dlq" if command in OF_LETTERS else "")
    assert f"has no topic {topic}: correct KAFKA_TOPIC" in sentence


@pytest.mark.parametrize("command", [*OF_BOTH[1:], *OF_REDIS])
async def test_a_redis_without_counters_is_not_one_without_findings(
    deployment: Deployment, command: str
) -> None:
    await deployment.publish(event("anna"))
    sentence = await refusal(deployment, command)
    assert "holds no" in sentence
    assert "start a worker" in sentence.lower()


async def test_the_status_names_a_redis_in_which_nothing_was_counted(deployment: Deployment) -> None:
    """No failure: the very first worker may be about to start."""
    await deployment.publish(event("anna"))
    status = await deployment.headcount("status", "--json")
    named = (
        f"Redis at {deployment.config.redis.url_redacted} holds no checkpoint: nothing has been counted there"
    )
    assert any(concern.startswith(named) for concern in status.json["concerns"])
    assert status.json["lag"] is None


@pytest.mark.parametrize("command", [*OF_BOTH, *OF_REDIS])
async def test_the_counters_of_another_topic_are_not_ours(deployment: Deployment, command: str) -> None:
    """As a REDIS_URL with the wrong database would have it."""
    await deployment.publish(event("anna"))
    await deployment.count()
    other = deployment.with_settings(KAFKA_TOPIC=f"{deployment.config.kafka.topic}-other")
    await create_topics(other.config)
    sentence = await refusal(other, command)
    assert deployment.config.kafka.topic in sentence
    assert other.config.kafka.topic in sentence


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ("skip --partition 99 --yes", ":99 is not counted: there is nothing to skip."),
        ("dead-letters show 9:0", ".dlq has no partition 9: it has 1, numbered from 0."),
        ("dead-letters redrive 9:0 --yes", ".dlq has no partition 9: it has 1, numbered from 0."),
        ("dead-letters show 0:99", "There is no dead letter at 0:99"),
    ],
)
async def test_a_missing_partition_is_named(deployment: Deployment, command: str, sentence: str) -> None:
    await deployment.publish(event("anna"))
    await deployment.count()
    assert sentence in await refusal(deployment, command)


async def test_no_tokens_are_said_to_be_in_which_redis(deployment: Deployment) -> None:
    listed = await deployment.headcount("tokens", "list")
    assert listed.text.startswith(f"No tokens in {deployment.config.redis.url_redacted}.")


@pytest.mark.parametrize(
    ("user", "command"),
    [
        *(("health", each) for each in ("status", "gaps list", "gaps acknowledge", "tokens list")),
        *(("worker", each) for each in ("audit", "rebuild --dry-run", "gaps list", "tokens list")),
        *(("api", each) for each in ("status", "audit --repair", "verify --workspace acme", "gaps list")),
    ],
)
async def test_a_redis_user_without_the_rights_is_told_so(
    deployment: Deployment, user: str, command: str
) -> None:
    await deployment.publish(event("anna"))
    await deployment.count()
    ended = await deployment.program(*command.split(), user=user)
    assert ended.exit_code == (3 if command.split(maxsplit=1)[0] in CHECKS else 1), ended
    assert (ended.stdout, "Traceback" in ended.stderr) == (b"", False)
    assert "deploy/redis/users.acl" in ended.stderr


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredKafka]:
    with running(SecuredKafka(tmp_path_factory.mktemp("secured"))) as kafka:
        yield kafka


@pytest.fixture
async def secured(kafka: SecuredKafka, topic: str, redis_url: str, redis_client: Redis) -> Deployment:
    """A deployment whose worker has counted, and whose user of Kafka has no rights yet."""
    common = {"KAFKA_TOPIC": topic, "KAFKA_GROUP_ID": topic, "REDIS_URL": redis_url}
    administrator = Deployment({**kafka.environment("CLIENT"), **common})
    await create_topics(administrator.config)
    await administrator.publish(event("anna"), b"poison")
    await administrator.count()
    return Deployment({**kafka.environment("LOGIN"), **common})


@pytest.mark.parametrize("command", [*OF_BOTH, *OF_LETTERS])
async def test_a_forbidden_topic_is_not_a_missing_or_empty_one(
    kafka: SecuredKafka, secured: Deployment, command: str
) -> None:
    # Without it `status` is refused the group before it asks for the topic.
    administrator = load_config({**secured.environment, **kafka.environment("CLIENT")})
    await grant(administrator, (GROUP, "", READ))
    sentence = await refusal(secured, command)
    assert "Kafka denies this user access to the topic " in sentence
    assert "docs/explanation/security.md" in sentence


@pytest.mark.parametrize("command", OF_LETTERS)
async def test_letters_that_may_be_written_and_not_read_are_not_none(
    kafka: SecuredKafka, secured: Deployment, command: str
) -> None:
    """The rights of a worker, which are enough to see that the topic is there."""
    administrator = load_config({**secured.environment, **kafka.environment("CLIENT")})
    await grant(administrator, (TOPIC, "", READ), (TOPIC, ".dlq", WRITE))
    assert "docs/explanation/security.md" in await refusal(secured, command)


async def test_a_forbidden_group_is_not_one_without_workers(kafka: SecuredKafka, secured: Deployment) -> None:
    administrator = load_config({**secured.environment, **kafka.environment("CLIENT")})
    await grant(administrator, (TOPIC, "", READ))
    assert "Kafka denies a right" in await refusal(secured, "status")


async def test_a_replay_needs_the_right_to_write(
    kafka: SecuredKafka, secured: Deployment, tmp_path: Path
) -> None:
    recording = tmp_path / "one.tsv"
    recording.write_text("2026-01-01T00:00\tacme\tanna\n")
    ended = await secured.program("replay", str(recording))
    assert (ended.exit_code, ended.stdout) == (1, b"")
    assert "Authorization" in ended.stderr
    assert "Traceback" not in ended.stderr
