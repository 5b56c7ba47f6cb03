"""Any text as a setting: it is read, or refused in a sentence that names the setting."""

import asyncio
from typing import Final

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from headcount.clients import api_redis, kafka_options, worker_redis
from headcount.settings import Settings, load_settings
from headcount.wiring import configure
from ingest.errors import OperatorError

NAMES: Final = sorted(name.upper() for name in Settings.model_fields)
WORDS: Final = st.sampled_from(
    [
        "redis://",
        "rediss://",
        "unix://",
        "localhost",
        "[::1]",
        ":",
        "@",
        "/",
        "?",
        "=",
        "&",
        ",",
        ".",
        "%",
        "#",
        "6379",
        "0",
        "-1",
        "99999",
        "1e400",
        "nan",
        "inf",
        "db",
        "ssl_cert_reqs",
        "none",
        "Europe",
        "..",
        "é",
        "\u2028",
    ]
)
# Not the null character: no environment can hold one. Lone surrogates stand for bytes that are no UTF-8.
anything = st.text(st.characters(exclude_characters="\0"), max_size=40)
texts = st.lists(WORDS, max_size=8).map("".join) | anything


@pytest.mark.parametrize("name", NAMES)
@given(text=texts)
@example(text="\udcff")
@example(text="9" * 5_000)
@example(text="/\0")
def test_any_text_is_read_or_refused_by_name(name: str, text: str) -> None:
    sentence = refusal(name, text)
    assert sentence is None or name in sentence


def refusal(name: str, text: str) -> str | None:
    try:
        kafka_options(configure(load_settings({name: text})))
    except OperatorError as error:
        return str(error)
    return None


@given(texts)
@example("redis://localhost:1/0")
@example("redis://localhost:1/é")
@example("unix:///nowhere/socket?db=1")
def test_any_url_of_redis_that_is_read_can_be_connected_to(text: str) -> None:
    """No server is there: a client has to say so in an error of redis-py's."""

    async def connect() -> None:
        for client in (worker_redis(config), api_redis(config)):
            async with client as redis:
                assert str(redis.connection_pool.connection_kwargs.get("db", 0)).isdigit()
                redis.connection_pool.make_connection()  # type: ignore[no-untyped-call]

    try:
        config = configure(load_settings({"REDIS_URL": text}))
    except OperatorError:
        return
    asyncio.run(connect())


@pytest.mark.parametrize(
    "servers",
    [
        ".kafka.svc:9092",
        "localhost:99999",
        "localhost:0",
        "localhost:\u0661",
        "a..b:1",
        f"{'a' * 64}.example:1",
        "[::g]:1",
        "a/b:1",
        "a b:1",
        "\x07:1",
        "localhost:9092,.kafka.svc:9092",
    ],
)
def test_servers_that_no_client_can_look_up_are_refused(servers: str) -> None:
    with pytest.raises(OperatorError, match=r"^Invalid KAFKA_BOOTSTRAP_SERVERS=.*: expected host:port"):
        load_settings({"KAFKA_BOOTSTRAP_SERVERS": servers})


@pytest.mark.parametrize(
    "servers", ["kafka.svc.:9092", "my_kafka:1", "[::1]:65535", "127.0.0.1:9092", "bücher.example:9092"]
)
def test_servers_that_a_client_can_look_up_are_read(servers: str) -> None:
    assert load_settings({"KAFKA_BOOTSTRAP_SERVERS": servers}).kafka_bootstrap_servers == servers


@pytest.mark.parametrize(
    "url",
    [
        "rediss://redis/0?ssl_cert_reqs=none",
        "rediss://redis/0?ssl_check_hostname=false",
        "redis://redis/abc",
        "redis://redis/0/1",
        "redis://redis/-1",
        "redis://redis/\u0663",
        "redis://redis?db=x",
        "redis://redis?db=",
        "redis://redis:0/0",
        "redis://redis:99999/0",
        "redis://.redis/0",
        "redis://redis/0?nothing=1",
        "redis://redis/0?protocol=x",
        "redis://redis/0?socket_timeout=1e9",
        "unix://host/socket",
        "unix://",
    ],
)
def test_urls_of_redis_that_weaken_or_mislead_are_refused(url: str) -> None:
    with pytest.raises(OperatorError, match=r"^Invalid REDIS_URL: expected a URL such as"):
        load_settings({"REDIS_URL": url})
