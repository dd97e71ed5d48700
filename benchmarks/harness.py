"""Everything a benchmark script needs, from one place.

The parts: ``environment`` (threads, provenance), ``timing`` (seconds, memory), ``seeds`` (mean and
spread), ``results`` (JSON), ``arguments`` (the command
line), ``progress``. A script is shown in
``benchmarks/README.md``.
"""

from __future__ import annotations

from benchmarks.arguments import benchmark_parser, parse
from benchmarks.environment import provenance, set_threads
from benchmarks.progress import Say, run_parts, say
from benchmarks.results import RESULTS, Column, ResultError, read_result, write_result
from benchmarks.seeds import Spread, over_seeds
from benchmarks.timing import Interleaved, Measurement, interleave, measure

__all__ = [
    "RESULTS",
    "Column",
    "Interleaved",
    "Measurement",
    "ResultError",
    "Say",
    "Spread",
    "benchmark_parser",
    "interleave",
    "measure",
    "over_seeds",
    "parse",
    "provenance",
    "read_result",
    "run_parts",
    "say",
    "set_threads",
    "write_result",
]
