"""Which stage of a worker's work a sampled stack is in."""

from benchmarks.stages import Stack, read_stacks, samples_by_function, samples_by_stage, stage_of

ROOT = "run (asyncio/runners.py:118);_run_once (asyncio/base_events.py:1922)"


def stack(*frames: str) -> Stack:
    return Stack([*ROOT.split(";"), *frames], 1)


def test_the_innermost_file_of_ours_decides() -> None:
    assert stage_of(stack("_step (ingest/worker/loop.py:130)", "fold (projector/fold.py:20)")) == "fold"
    assert stage_of(stack("_step (ingest/worker/loop.py:130)")) == "worker loop"


def test_a_library_is_part_of_the_stage_that_calls_it() -> None:
    assert (
        stage_of(stack("decode_all (ingest/events/event.py:9)", "decode (msgspec/json.py:1)"))
        == "sort and decode"
    )


def test_what_the_event_loop_does_for_a_stage_is_that_stage() -> None:
    write = "write (asyncio/selector_events.py:1070)"
    assert stage_of(stack("send (redis/asyncio/connection.py:500)", write)) == "Redis client"
    assert stage_of(stack(write)) == "event loop"


def test_a_thread_of_nobody_is_other() -> None:
    assert stage_of(Stack(["run (threading.py:982)", "work (somewhere/else.py:1)"], 1)) == "other"


def test_the_start_is_left_out() -> None:
    text = f"<module> (headcount/cli/__init__.py:1) 40\n{ROOT};fold (projector/fold.py:20) 2\n"
    assert [(each.frames[-1], each.samples) for each in read_stacks(text)] == [
        ("fold (projector/fold.py:20)", 2)
    ]


def test_samples_add_up_by_stage_and_by_function() -> None:
    stacks = [stack("fold (projector/fold.py:20)"), stack("fold (projector/fold.py:21)")]
    assert samples_by_stage(stacks) == {"fold": 2}
    assert samples_by_function(stacks) == {"fold (projector/fold.py)": 2}
