from pathlib import Path

import pytest

from benchmarks.polling.wrk import MISSING, Load, Question, WrkError, ask, parse

QUIET = """\
Running 3s test @ http://127.0.0.1:18081/
  1 threads and 32 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.14ms  330.83us   6.91ms   93.47%
    Req/Sec    28.47k     3.72k   32.30k    86.67%
  Latency Distribution
     50%  980.00us
     75%    1.14ms
     90%    1.29ms
     99%    2.33ms
  84937 requests in 3.10s, 45.77MB read
Requests/sec:  28308.46
Transfer/sec:     15.25MB
"""
SLOW = QUIET.replace("99%    2.33ms", "99%    1.02s").replace("in 3.10s", "in 1.50m")
TROUBLE = """\
  Socket errors: connect 1, read 20, write 300, timeout 4000
  Non-2xx or 3xx responses: 50000
"""
TROUBLED = QUIET.replace("Requests/sec", f"{TROUBLE}Requests/sec")


def test_reads_rate_and_percentiles_in_milliseconds() -> None:
    assert parse(QUIET) == Load(
        requests=84_937, seconds=3.1, requests_per_second=28_308.46, p50=0.98, p99=2.33, failures=0
    )


def test_reads_times_of_a_second_and_more() -> None:
    load = parse(SLOW)

    assert (load.p99, load.seconds) == (1_020, 90)


def test_counts_refused_requests_and_broken_connections_as_failures() -> None:
    assert parse(TROUBLED).failures == 54_321


@pytest.mark.parametrize("missing", ["99%    2.33ms", "Requests/sec:", "84937 requests in"])
def test_takes_no_output_in_which_a_figure_is_missing(missing: str) -> None:
    with pytest.raises(WrkError, match="not what wrk prints"):
        parse(QUIET.replace(missing, ""))


async def test_says_how_to_install_wrk_where_it_is_not(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(WrkError, match=MISSING):
        await ask(1, tmp_path / "questions", 1)


def test_writes_a_question_as_the_script_reads_it() -> None:
    question = Question("/path?start=2026", {"x-auth-token": "secret", "x-user-id": "user"})

    assert str(question) == "/path?start=2026\tx-auth-token: secret\tx-user-id: user"
