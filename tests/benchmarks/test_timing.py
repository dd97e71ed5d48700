from __future__ import annotations

import os
import time

import numpy as np
import pytest

from benchmarks import timing
from benchmarks.timing import Interleaved, interleave, measure


def fill(megabytes: int) -> int:
    return int(np.ones(megabytes * 10**6, dtype=np.uint8).sum())


def spin(seconds: float) -> None:
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def fail() -> None:
    raise LookupError("on purpose")


def vanish() -> None:
    os._exit(7)


def threads_here() -> int:
    import torch

    return torch.get_num_threads()


def test_waiting_costs_wall_time_and_no_cpu_time() -> None:
    done = measure(time.sleep, 0.2)
    assert done.wall_s >= 0.2
    assert done.cpu_s < 0.1


def test_working_costs_cpu_time() -> None:
    done = measure(spin, seconds=0.1)
    assert done.cpu_s >= 0.1
    assert done.wall_s >= 0.09


def test_peak_memory_is_left_out_in_a_used_process() -> None:
    done = measure(fill, 1)
    assert done.value == 10**6
    assert (done.peak_mb, done.start_mb) == (None, None)
    assert set(done.to_dict()) == {"wall_s", "cpu_s", "peak_mb", "start_mb"}


def test_a_fresh_process_counts_only_its_own_memory() -> None:
    ballast = np.ones(400 * 10**6, dtype=np.uint8)
    done = measure(fill, 200, fresh_process=True)
    assert done.value == 200 * 10**6
    assert done.peak_mb is not None and done.start_mb is not None
    assert 195 < done.peak_mb - done.start_mb < 300
    assert done.peak_mb < 200 + 300, "the 400 MB of the parent were counted"
    del ballast


def test_a_fresh_process_hands_its_error_back() -> None:
    with pytest.raises(
        RuntimeError, match="(?s)fail failed in its process.*LookupError: on purpose"
    ):
        measure(fail, fresh_process=True)
    with pytest.raises(RuntimeError, match="vanish ended its process without a result.*7"):
        measure(vanish, fresh_process=True)


def test_turns_go_forwards_and_backwards_and_the_warmup_does_not_count() -> None:
    calls: list[str] = []
    work = {name: (lambda name=name: calls.append(name)) for name in "abc"}
    timed = interleave(work, rounds=2, warmup=1)
    assert "".join(calls) == "abc" + "cba" + "abc"
    assert {name: len(times) for name, times in timed.wall.items()} == {"a": 2, "b": 2, "c": 2}


def test_the_time_of_a_call_is_kept_when_it_is_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]

    def tick() -> None:
        clock[0] += 3.0

    monkeypatch.setattr(timing.time, "perf_counter", lambda: clock[0])
    monkeypatch.setattr(timing, "_cpu_seconds", lambda: 2 * clock[0])
    timed = interleave({"a": tick}, rounds=2, warmup=0, repeat=5)
    assert timed.wall == {"a": (3.0, 3.0)}
    assert timed.cpu == {"a": (6.0, 6.0)}


def test_medians_and_ratios_by_hand() -> None:
    timed = Interleaved(
        wall={"a": (2.0, 9.0, 4.0), "b": (1.0, 3.0, 4.0)},
        cpu={"a": (1.0, 1.0, 1.0), "b": (2.0, 4.0, 8.0)},
    )
    # Round by round a / b is 2, 3, 1; the quotient of the medians would be 4 / 3.
    assert timed.ratio("a", "b") == 2.0
    assert timed.ratios() == {"a": {"b": 2.0}, "b": {"a": 0.5}}
    assert timed.ratio("a", "b", "cpu") == 0.25
    assert timed.rows(base="b") == [
        {
            "name": "a", "rounds": 3, "median_s": 4.0, "min_s": 2.0, "max_s": 9.0,
            "cpu_median_s": 1.0, "ratio": 2.0, "cpu_ratio": 0.25,
        },
        {
            "name": "b", "rounds": 3, "median_s": 3.0, "min_s": 1.0, "max_s": 4.0,
            "cpu_median_s": 4.0, "ratio": 1.0, "cpu_ratio": 1.0,
        },
    ]  # fmt: skip


def test_what_was_not_timed_has_no_ratio() -> None:
    with pytest.raises(KeyError, match="'c' was not timed; timed were a, b"):
        Interleaved({"a": (1.0,), "b": (1.0,)}, {}).ratio("a", "c")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"work": {}, "rounds": 1}, "work is empty"),
        ({"work": {"a": fail}, "rounds": 0}, "rounds must be >= 1, got 0"),
        ({"work": {"a": fail}, "rounds": 1, "warmup": -1}, "warmup must be >= 0, got -1"),
        ({"work": {"a": fail}, "rounds": 1, "repeat": 0}, "repeat must be >= 1, got 0"),
    ],
)
def test_counts_out_of_range_are_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        interleave(**arguments)  # type: ignore[arg-type]


def test_a_fresh_process_has_the_threads_that_were_set(monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmarks.environment import _THREAD_VARIABLES

    for name in _THREAD_VARIABLES:
        monkeypatch.setenv(name, "1")
    assert measure(threads_here, fresh_process=True).value == 1
