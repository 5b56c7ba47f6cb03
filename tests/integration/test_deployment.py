"""The claim on a Redis: one deployment each, on a server that keeps what it is given."""

from dataclasses import replace

import pytest
from redis.asyncio import Redis

from embedded import EmbeddedValkey
from ingest.batch import Offset, Partition
from ingest.errors import OperatorError, UnavailableError
from ingest.ports import Extent, LogState
from projector import keys
from projector.activity_filter import ActivityFilter
from projector.deployment import Deployment
from projector.pseudonyms import Pseudonyms
from tests.suites.projections import redis_projection
from tests.support.people import PSEUDONYMS
from tests.support.servers import Servers

OURS = Deployment(topic="user-activity", time_zone="UTC", user_id_hash_key=PSEUDONYMS.fingerprint)
LOG = LogState("one", {Partition("user-activity", 0): Extent(Offset(0), Offset(0))})


async def test_the_first_claim_is_recorded_and_the_same_one_passes(redis_client: Redis) -> None:
    for _ in range(2):
        await OURS.claim(redis_client)
    await OURS.check(redis_client)
    assert await redis_client.hget(keys.ONLY.deployment, "topic") == b"user-activity"


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (
            Deployment(topic="another", time_zone="UTC", user_id_hash_key=PSEUDONYMS.fingerprint),
            "KAFKA_TOPIC='user-activity', but .* KAFKA_TOPIC='another'.*use another Redis database",
        ),
        (
            Deployment(
                topic="user-activity", time_zone="Europe/Berlin", user_id_hash_key=PSEUDONYMS.fingerprint
            ),
            "TIME_ZONE='UTC', but .* TIME_ZONE='Europe/Berlin'.*headcount rebuild --change TIME_ZONE",
        ),
        (
            Deployment(
                topic="user-activity",
                time_zone="UTC",
                user_id_hash_key=Pseudonyms("another key, as long as it has to be").fingerprint,
            ),
            "USER_ID_HASH_KEY=the key with the fingerprint.*headcount rebuild --change USER_ID_HASH_KEY",
        ),
        (
            replace(OURS, activity_filter=ActivityFilter(ignored_user_types=frozenset({"bot", "app"}))),
            "IGNORED_USER_TYPES='', but .*'app,bot'.*headcount rebuild --change IGNORED_USER_TYPES",
        ),
        (
            replace(OURS, activity_filter=ActivityFilter(ignored_event_types=frozenset({"typing"}))),
            "IGNORED_EVENT_TYPES='', but .*'typing'.*headcount rebuild --change IGNORED_EVENT_TYPES",
        ),
    ],
)
async def test_another_deployment_is_refused_and_changes_nothing(
    redis_client: Redis, other: Deployment, words: str
) -> None:
    await OURS.claim(redis_client)
    with pytest.raises(OperatorError, match=words):
        await other.claim(redis_client)
    with pytest.raises(OperatorError, match=words):
        await other.check(redis_client)
    await OURS.check(redis_client)


async def test_a_check_of_an_empty_redis_records_nothing(redis_client: Redis) -> None:
    await OURS.check(redis_client)
    assert await redis_client.dbsize() == 0


async def test_a_redis_that_lost_everything_is_claimed_again_with_its_checkpoints(
    redis_client: Redis,
) -> None:
    projection = redis_projection(redis_client)
    await projection.claim()
    await redis_client.flushdb()
    await projection.begin(LOG)
    await OURS.check(redis_client)
    with pytest.raises(OperatorError):
        await Deployment(topic="another", time_zone="UTC", user_id_hash_key=PSEUDONYMS.fingerprint).check(
            redis_client
        )


async def test_a_redis_that_another_took_over_is_not_counted_into(redis_client: Redis) -> None:
    await Deployment(topic="another", time_zone="UTC", user_id_hash_key=PSEUDONYMS.fingerprint).claim(
        redis_client
    )
    with pytest.raises(OperatorError):
        await redis_projection(redis_client).begin(LOG)
    assert not await redis_client.exists(keys.FIRST.checkpoints)


async def test_a_redis_that_evicts_is_refused(embedded_valkey: Servers[EmbeddedValkey]) -> None:
    valkey = await embedded_valkey.start(options={"maxmemory-policy": "allkeys-lru"})
    async with Redis.from_url(valkey.url) as redis:
        with pytest.raises(OperatorError, match="allkeys-lru"):
            await redis_projection(redis).claim()
        assert await redis.dbsize() == 0


async def test_somebody_who_asks_without_the_key_is_not_refused(redis_client: Redis) -> None:
    """Who only reads needs no key."""
    await OURS.claim(redis_client)
    await replace(OURS, user_id_hash_key=None).check(redis_client)


async def test_commands_go_by_the_retention_of_the_worker_that_started_last(redis_client: Redis) -> None:
    """Workers take over from each other with another retention; a command would drop or keep other days."""
    short, long = (replace(OURS, retention_days=days, bucket_retention_days=45) for days in (30, 400))
    await short.claim(redis_client)
    await long.claim(redis_client)
    await long.check(redis_client)
    await short.check_counters(redis_client)
    await OURS.check(redis_client)
    with pytest.raises(OperatorError, match=r"RETENTION_DAYS='400', but .*RETENTION_DAYS='30'"):
        await short.check(redis_client)


async def test_whoever_is_refused_changes_no_retention(redis_client: Redis) -> None:
    await replace(OURS, retention_days=400, bucket_retention_days=45).claim(redis_client)
    with pytest.raises(OperatorError):
        await replace(OURS, time_zone="Asia/Tokyo", retention_days=1, bucket_retention_days=1).claim(
            redis_client
        )
    assert await redis_client.hget(keys.ONLY.deployment, "retention_days") == b"400"


async def test_a_process_that_waits_does_not_take_an_empty_redis(redis_client: Redis) -> None:
    with pytest.raises(UnavailableError, match="Redis lost its counters"):
        await OURS.check_recorded(redis_client)
    await replace(OURS, time_zone="Asia/Tokyo").claim(redis_client)
    with pytest.raises(UnavailableError, match="TIME_ZONE='Asia/Tokyo'"):
        await OURS.check_recorded(redis_client)
    await redis_client.delete(keys.ONLY.deployment)
    await OURS.claim(redis_client)
    await OURS.check_recorded(redis_client)
