"""A model folder that was changed is refused, or is the model it was: never another, never a hang.

The slow test makes 500 of each kind. ``python -m tests.model_folders.test_mutated 500`` prints what
became of them.
"""

from __future__ import annotations

import collections
import contextlib
import random
import resource
import shutil
import signal
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from damrep.masking.validation import InputError
from tests.model_folders.mutating import mutate
from tests.model_folders.samples import SAMPLES, Sample

pytestmark = pytest.mark.filterwarnings("ignore::damrep.masking.notes.DamrepWarning")

FORMAT_1 = Path(__file__).parent / "format_1"
SECONDS = 30
MOST_MEMORY = 1 << 20  # more than before, in what `ru_maxrss` counts: KiB


class TooLong(BaseException):
    """Nothing that is caught on the way."""


@contextlib.contextmanager
def limited_time() -> Iterator[None]:
    def stop(*_: object) -> None:
        raise TooLong

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def everything(sample: Sample, model: Any) -> list[Any]:
    """All that tells one model from another."""
    known = [getattr(model, "report_", None), getattr(model, "get_params", dict)()]
    return [*sample.outputs(model), repr(known[0]), repr(known[1]) if known[0] else ""]


def same(first: list[Any], second: list[Any]) -> bool:
    return len(first) == len(second) and all(
        a.dtype == b.dtype and np.array_equal(a, b) if isinstance(a, np.ndarray) else a == b
        for a, b in zip(first, second, strict=True)
    )


def outcome(sample: Sample, folder: Path, truth: list[Any]) -> str:
    """What becomes of a folder: "refused", "the same", or what should not be."""
    try:
        with limited_time(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = sample.load(folder)
            try:
                given = everything(sample, model)
            except (ValueError, RuntimeError):  # what was changed shows when it is used
                return "refused in use"
    except InputError as error:
        return "refused" if "\n" not in str(error) else f"more than a line: {error}"
    except TooLong:
        return f"more than {SECONDS} s"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "the same" if same(given, truth) else "another model"


def mutants(name: str, count: int, tmp_path: Path, way: str) -> dict[str, list[str]]:
    """Outcomes of so many changed folders, each with what was done to them.

    Parameters
    ----------
    name
        Of the sample.
    count, tmp_path
        How many, and where.
    way
        "as it is"; "signed": with new checksums; "format 1": a folder without any.
    """
    sample = SAMPLES[name]
    original = FORMAT_1 / name
    if way != "format 1":
        original = tmp_path / f"{name}-{way}"
        sample.save(original)
    truth = everything(sample, sample.load(original))
    assert same(truth, everything(sample, sample.load(original)))
    found: dict[str, list[str]] = collections.defaultdict(list)
    for number in range(count):
        rng = random.Random(f"{name} {way} {number}")
        folder = Path(shutil.copytree(original, tmp_path / "changed"))
        inside = [path.parent for path in sorted(folder.rglob("config.json"))]
        said = mutate(rng.choice(inside), rng, way == "signed")
        found[outcome(sample, folder, truth)].append(f"{number}: {said}")
        shutil.rmtree(folder)
    return found


WAYS = {
    # A change is noticed, or it changes nothing.
    "as it is": {"refused", "the same"},
    # Whoever makes new checksums, or has a folder without any, may have made another model of the
    # same shape, and what does not fit its data may show only then; all else is refused.
    "signed": {"refused", "refused in use", "the same", "another model"},
    "format 1": {"refused", "refused in use", "the same", "another model"},
}


def check(name: str, count: int, tmp_path: Path, way: str) -> dict[str, list[str]]:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = mutants(name, count, tmp_path, way)
    wrong = {what: said for what, said in found.items() if what not in WAYS[way]}
    assert not wrong, wrong
    assert len(found["refused"]) > count / 2
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < MOST_MEMORY, f"{grown >> 10} MiB more memory"
    return found


CASES = [
    (name, way)
    for name in SAMPLES
    for way in WAYS
    if way != "format 1" or (FORMAT_1 / name).is_dir()  # what could be saved by then
]


@pytest.mark.parametrize(("name", "way"), CASES)
def test_some_of_each(name: str, way: str, tmp_path: Path) -> None:
    check(name, 25 if way == "as it is" else 10, tmp_path, way)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "way"), CASES)
def test_five_hundred_of_each(name: str, way: str, tmp_path: Path) -> None:
    check(name, 500, tmp_path, way)


if __name__ == "__main__":
    import tempfile

    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else 500
    for each, kind in CASES:
        if each not in (sys.argv[2:] or SAMPLES):
            continue
        with tempfile.TemporaryDirectory() as place:
            counts = mutants(each, wanted, Path(place), kind)
        print(each, kind, {what: len(said) for what, said in counts.items()}, flush=True)
        for what, said in counts.items():
            if what not in WAYS[kind]:
                print("   ", what, said[:5], flush=True)
