"""Who takes part in the throughput benchmark, given what is installed."""

from typing import get_args

from benchmarks.throughput.line_up import ALONE, Name, line_up, versions_of

PACKAGES = {"aiokafka": "0.14.0", "redis": "8.1.0", "orjson": "3.13.0", "confluent-kafka": "2.12.2"}


def test_our_own_contestants_need_nothing() -> None:
    cast = line_up(["worker", "consumer"], {})
    assert [contestant.name for contestant in cast.present] == ["worker", "consumer"]
    assert cast.missing == []
    assert not cast.has_pair


def test_a_peer_that_is_not_installed_is_named() -> None:
    cast = line_up(["worker", "quix", "plain", "pair"], PACKAGES)
    assert [contestant.name for contestant in cast.present] == ["worker", "plain"]
    assert cast.missing == ["quix"]
    assert cast.has_pair


def test_versions_are_those_of_what_takes_part() -> None:
    cast = line_up(["worker", "plain"], PACKAGES)
    assert versions_of(cast.present, PACKAGES) == {"aiokafka": "0.14.0", "orjson": "3.13.0", "redis": "8.1.0"}


def test_whoever_may_be_named_can_take_part() -> None:
    assert {contestant.name for contestant in ALONE} | {"pair"} == set(get_args(Name))
