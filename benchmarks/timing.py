"""Time and memory of a piece of work, alone or several taken in turns.

Wall time on a shared machine drifts, so things that are compared are timed in turns within one run,
and compared round by round. CPU seconds (user and system, all threads) are given beside it.
"""

from __future__ import annotations

import gc
import multiprocessing
import resource
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from typing import Any, Literal

Clock = Literal["wall", "cpu"]


@dataclass(frozen=True)
class Measurement:
    """What one call took.

    Attributes
    ----------
    value : object
        What the call returned.
    wall_s, cpu_s : float
        Seconds on the clock; seconds of processor time, user and system, over all threads and over
        child processes that ended meanwhile.
    peak_mb, start_mb : float or None
        Most resident memory of the process and what it held before the call, in MB (10^6 bytes).
        Only for a fresh process: in a used one the peak is that of its whole past.
    """

    value: Any
    wall_s: float
    cpu_s: float
    peak_mb: float | None = None
    start_mb: float | None = None

    def to_dict(self) -> dict[str, float | None]:
        """The numbers without the value, as a row for a result."""
        return {
            "wall_s": self.wall_s,
            "cpu_s": self.cpu_s,
            "peak_mb": self.peak_mb,
            "start_mb": self.start_mb,
        }


def _cpu_seconds() -> float:
    own = resource.getrusage(resource.RUSAGE_SELF)
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + ended.ru_utime + ended.ru_stime


def _resident_mb(field: Literal["VmRSS", "VmHWM"]) -> float:
    # On Linux not ru_maxrss: a new program inherits it from the process that started it, so a small
    # job started by a big benchmark would look as big as the benchmark.
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        lines = []
    for line in lines:
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024 / 1e6
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6


@contextmanager
def _collector_off() -> Iterator[None]:
    was_on = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def measure(
    fn: Callable[..., Any], *arguments: Any, fresh_process: bool = False, **keywords: Any
) -> Measurement:
    """Call ``fn`` once and say what it took.

    Parameters
    ----------
    fn : callable
        The work. With ``fresh_process`` it has to be a function of a module (it is sent by name),
        and its arguments and result have to be picklable.
    *arguments, **keywords
        Handed to ``fn``.
    fresh_process : bool
        Run in a new Python process, which is what peak memory needs. Starting it and importing the
        module of ``fn`` is not counted; what ``fn`` imports itself is.

    Returns
    -------
    Measurement

    Raises
    ------
    RuntimeError
        If the fresh process failed; the message ends with its traceback or its exit code.

    Examples
    --------
    >>> measure(sum, [1, 2, 3]).value
    6
    """
    if fresh_process:
        return _measure_apart(fn, arguments, keywords)
    cpu, wall = _cpu_seconds(), time.perf_counter()
    value = fn(*arguments, **keywords)
    return Measurement(value, time.perf_counter() - wall, _cpu_seconds() - cpu)


def _child(
    sender: Connection, fn: Callable[..., Any], arguments: Sequence[Any], keywords: dict[str, Any]
) -> None:
    try:
        start_mb = _resident_mb("VmRSS")
        done = measure(fn, *arguments, **keywords)
        peak_mb = _resident_mb("VmHWM")
        sender.send(Measurement(done.value, done.wall_s, done.cpu_s, peak_mb, start_mb))
    except BaseException:
        sender.send(traceback.format_exc())
    finally:
        sender.close()


def _measure_apart(
    fn: Callable[..., Any], arguments: Sequence[Any], keywords: dict[str, Any]
) -> Measurement:
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_child, args=(sender, fn, arguments, keywords))
    process.start()
    sender.close()
    name = getattr(fn, "__qualname__", repr(fn))
    try:
        outcome = receiver.recv()
    except EOFError:
        process.join()
        raise RuntimeError(
            f"{name} ended its process without a result, exit code {process.exitcode}"
        ) from None
    finally:
        receiver.close()
    process.join()
    if isinstance(outcome, Measurement):
        return outcome
    raise RuntimeError(f"{name} failed in its process:\n{outcome}")


@dataclass(frozen=True)
class Interleaved:
    """Seconds of several pieces of work timed in turns.

    Attributes
    ----------
    wall, cpu : dict of str to tuple of float
        Seconds a call, one entry a round, in the order of the rounds.
    """

    wall: dict[str, tuple[float, ...]]
    cpu: dict[str, tuple[float, ...]]

    def ratio(self, name: str, base: str, clock: Clock = "wall") -> float:
        """Median over the rounds of time(name) / time(base): below 1, ``name`` is faster.

        Both times of a pair come from the same round, so a machine that slows down in the middle
        of the run moves neither side of it.

        Examples
        --------
        >>> Interleaved({"a": (2.0, 3.0, 8.0), "b": (1.0, 2.0, 2.0)}, {}).ratio("a", "b")
        2.0
        """
        times = self.wall if clock == "wall" else self.cpu
        for wanted in (name, base):
            if wanted not in times:
                raise KeyError(f"{wanted!r} was not timed; timed were {', '.join(times)}")
        pairs = zip(times[name], times[base], strict=True)
        return median(above / max(below, sys.float_info.min) for above, below in pairs)

    def rows(self, base: str | None = None) -> list[dict[str, Any]]:
        """One row a name, ready for a result.

        Parameters
        ----------
        base : str, optional
            Name every other one is divided by; the first if not given.

        Returns
        -------
        list of dict
            ``name``, ``rounds``, ``median_s``, ``min_s``, ``max_s`` (wall), ``cpu_median_s``,
            ``ratio`` (wall) and ``cpu_ratio`` to the base.
        """
        against = next(iter(self.wall)) if base is None else base
        return [
            {
                "name": name,
                "rounds": len(times),
                "median_s": median(times),
                "min_s": min(times),
                "max_s": max(times),
                "cpu_median_s": median(self.cpu[name]),
                "ratio": self.ratio(name, against),
                "cpu_ratio": self.ratio(name, against, "cpu"),
            }
            for name, times in self.wall.items()
        ]

    def ratios(self, clock: Clock = "wall") -> dict[str, dict[str, float]]:
        """``ratios()[a][b]`` is the median of time(a) / time(b), for every pair."""
        names = list(self.wall)
        return {a: {b: self.ratio(a, b, clock) for b in names if b != a} for a in names}


def interleave(
    work: Mapping[str, Callable[[], Any]], rounds: int, warmup: int = 1, repeat: int = 1
) -> Interleaved:
    """Time several pieces of work in turns: a b c, c b a, a b c, ...

    Every second round goes backwards, so none of them always runs in the wake of the same other.

    Parameters
    ----------
    work : mapping of str to callable
        Called without arguments; what they return is dropped.
    rounds : int
        Rounds that count, >= 1.
    warmup : int
        Rounds before them that do not, >= 0.
    repeat : int
        Calls a round, >= 1; the time kept is that of one call. For work below a millisecond.

    Returns
    -------
    Interleaved

    Raises
    ------
    ValueError
        If there is nothing to time or a count is out of range.
    """
    if not work:
        raise ValueError("work is empty, nothing to time")
    for label, got, least in (("rounds", rounds, 1), ("warmup", warmup, 0), ("repeat", repeat, 1)):
        if got < least:
            raise ValueError(f"{label} must be >= {least}, got {got}")
    wall: dict[str, list[float]] = {name: [] for name in work}
    cpu: dict[str, list[float]] = {name: [] for name in work}
    for turn in range(warmup + rounds):
        names = list(work) if turn % 2 == 0 else list(work)[::-1]
        for name in names:
            call = work[name]
            with _collector_off():
                cpu_before, wall_before = _cpu_seconds(), time.perf_counter()
                for _ in range(repeat):
                    call()
                wall_s = time.perf_counter() - wall_before
                cpu_s = _cpu_seconds() - cpu_before
            if turn >= warmup:
                wall[name].append(wall_s / repeat)
                cpu[name].append(cpu_s / repeat)
    return Interleaved(
        {name: tuple(times) for name, times in wall.items()},
        {name: tuple(times) for name, times in cpu.items()},
    )
