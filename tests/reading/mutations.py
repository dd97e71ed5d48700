"""Damage to files, in the ways they are damaged and in some that only malice thinks of.

``python -m tests.reading.mutations 100000 --seed 0`` reads so many damaged files and says what came
out; a file that breaks a reader stays in the folder named with --keep.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import faulthandler
import gzip
import io
import re
import resource
import signal
import struct
import sys
import tempfile
import time
import traceback
import warnings
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

from damrep.autoencoder.tables import Table, read_table
from damrep.graph.data.files import read_features, read_graph
from damrep.graph.data.graph import Graph
from damrep.graph.data.node_tables import NodeTable
from damrep.masking.validation import InputError
from damrep.reading.dialect import Dialect
from damrep.recommend.files import RatingsTable, read_ratings
from tests.reading.samples import SAMPLE, Reader, Sample, samples

SECONDS = 10.0
"""A file of a few kilobytes that takes longer hangs."""

BYTES = 400 << 20
"""More memory than that, for a file of a few kilobytes, is absurd."""

Rng = np.random.Generator

# -- damage

_TOKENS = [
    b"\0", b'"', b"'", b",", b";", b"\t", b"|", b"::", b" ", b"\n", b"\r", b"\r\n", b"\n\n", b"#",
    b"%", b"//", b"-", b"NaN", b"inf", b"-inf", b"NULL", b"1e999", b"1e308", b"-1e-400", b"0x1f",
    b"1_000", b"99999999999999999999999", b"-9223372036854775809", b"9223372036854775807", b"1,5",
    b"1.5", b"1.000,5", b"\xff", b"\xfe\xff", b"\xff\xfe", b"\xef\xbb\xbf", b"\xc3", b"\x1b[2J",
    "\u202e".encode(), "\u2028".encode(), b"\x7f",
    "\u0661".encode(), "\U0001f600".encode(), b"{}", b"[",
    b"{", b"}", b"]", b"<", b">", b"&x;", b"]]>", b"<!DOCTYPE a [<!ENTITY x 'y'>]>", b"null", b"id",
    b"label", b"sep=;", b"\\", b"\\x", b"%s", b"__class__", b"cos\nsystem\n",
]  # fmt: skip


_BRACKETS = [
    (b"[", b"]"), (b"{", b"}"), (b"(", b")"), (b'{"a":', b"}"), (b"<a>", b"</a>"),
    (b"graph [", b"]"), (b"-", b""),
]  # fmt: skip
_SHAPES = [
    "(60, 6)", "()", "(0,)", "(-1,)", "(10**9,)", "(99999999999, 8)", "(2**63, 2)", "(4,)",
    "(1.5,)", "'x'", "(60,)", "(360,)", "(2, 2, 2)", "(True, 2)", "(9223372036854775807,)",
    "(0, 99999999999999)", "(" + "1," * 65 + ")",
]  # fmt: skip
_KINDS = [
    "'|O'", "'<f8'", "'<f2'", "'<c16'", "'|S5'", "'<U3'", "'<M8[s]'", "'|V8'", "'>i4'", "'?'",
    "[('a', '<i4'), ('b', '<i4')]", "'<f16'", "[('a', '|O')]", "'<u8'", "{}", "'|b1'", "5",
    "'<U99999999'", "'<U0'",
]  # fmt: skip


def _place(data: bytes, rng: Rng) -> int:
    return int(rng.integers(len(data) + 1))


def _span(data: bytes, rng: Rng, most: int = 64) -> tuple[int, int]:
    start = _place(data, rng)
    return start, min(len(data), start + int(rng.integers(1, most)))


def flip(data: bytes, rng: Rng) -> bytes:
    """A few bytes become others."""
    array = np.frombuffer(data, dtype=np.uint8).copy()
    if len(array):
        count = int(rng.integers(1, 8))
        array[rng.integers(len(array), size=count)] ^= (1 << rng.integers(8, size=count)).astype(
            np.uint8
        )
    return array.tobytes()


def truncate(data: bytes, rng: Rng) -> bytes:
    """The end is gone."""
    return data[: max(1, _place(data, rng))]


def behead(data: bytes, rng: Rng) -> bytes:
    """The start is gone."""
    return data[min(_place(data, rng), len(data) - 1) :]


def delete(data: bytes, rng: Rng) -> bytes:
    """Something within is gone."""
    start, end = _span(data, rng)
    return data[:start] + data[end:]


def insert(data: bytes, rng: Rng) -> bytes:
    """Something that means something is in a place where it does not."""
    start = _place(data, rng)
    return data[:start] + _TOKENS[rng.integers(len(_TOKENS))] + data[start:]


def replace(data: bytes, rng: Rng) -> bytes:
    """The same in place of something else."""
    start, end = _span(data, rng, 12)
    return data[:start] + _TOKENS[rng.integers(len(_TOKENS))] + data[end:]


def duplicate(data: bytes, rng: Rng) -> bytes:
    """A block comes again."""
    start, end = _span(data, rng, 400)
    place = _place(data, rng)
    return data[:place] + data[start:end] * int(rng.integers(1, 4)) + data[place:]


def zero(data: bytes, rng: Rng) -> bytes:
    """A block is zeros, as after a power cut."""
    start, end = _span(data, rng, 200)
    return data[:start] + b"\0" * (end - start) + data[end:]


def swap_lines(data: bytes, rng: Rng) -> bytes:
    """Two lines have changed places."""
    lines = data.split(b"\n")
    a, b = rng.integers(len(lines), size=2)
    lines[a], lines[b] = lines[b], lines[a]
    return b"\n".join(lines)


def repeat_line(data: bytes, rng: Rng) -> bytes:
    """A line comes again elsewhere."""
    lines = data.split(b"\n")
    lines.insert(int(rng.integers(len(lines) + 1)), lines[rng.integers(len(lines))])
    return b"\n".join(lines)


def swap_mark(data: bytes, rng: Rng) -> bytes:
    """One mark stands for another, everywhere or in one line."""
    marks = [b",", b";", b"\t", b"|", b" ", b"::", b'"', b"'", b".", b":", b"<", b"{", b"["]
    a, b = rng.integers(len(marks), size=2)
    if rng.random() < 0.5:
        return data.replace(marks[a], marks[b])
    lines = data.split(b"\n")
    line = int(rng.integers(len(lines)))
    lines[line] = lines[line].replace(marks[a], marks[b])
    return b"\n".join(lines)


def change_number(data: bytes, rng: Rng) -> bytes:
    """A number is huge, negative, a fraction or no number."""
    found = list(re.finditer(rb"-?\d+(?:\.\d+)?", data))
    if not found:
        return insert(data, rng)
    chosen = found[rng.integers(len(found))]
    others = [
        b"1" + b"0" * int(rng.integers(1, 25)), b"-1", b"0", b"1e400", b"1e9", b"nan", b"0.5",
        b"2147483648", b"4294967296", b"-2147483649", b"9" * 400, b"", b"1.0", b"007", b"+3",
    ]  # fmt: skip
    other = others[rng.integers(len(others))]
    return data[: chosen.start()] + other + data[chosen.end() :]


def change_word(data: bytes, rng: Rng) -> bytes:
    """A word of the file stands where another stood."""
    found = list(re.finditer(rb"\w+", data))
    if not found:
        return flip(data, rng)
    a, b = (found[i] for i in rng.integers(len(found), size=2))
    return data[: a.start()] + b.group() + data[a.end() :]


def recode(data: bytes, rng: Rng) -> bytes:
    """The text in another encoding."""
    encodings = ["utf-16", "utf-16-le", "utf-32", "latin-1", "cp1252", "utf-8-sig", "utf-7"]
    return data.decode("utf-8", "replace").encode(
        encodings[rng.integers(len(encodings))], "replace"
    )


def integer(data: bytes, rng: Rng) -> bytes:
    """A length or a place in a binary file is absurd."""
    size = int(rng.choice([2, 4, 8]))
    start = _place(data, rng)
    values = [0, 1, -1, 2**15, 2**31 - 1, -(2**31), 2**62, 10**6]
    value = values[rng.integers(len(values))] % (1 << (8 * size))
    return data[:start] + value.to_bytes(size, "little") + data[start + size :]


def nest(data: bytes, rng: Rng) -> bytes:
    """Something is in thousands of brackets."""
    opening, closing = _BRACKETS[rng.integers(len(_BRACKETS))]
    depth = int(rng.choice([3, 200, 20_000]))
    start = _place(data, rng)
    return data[:start] + opening * depth + closing * depth + data[start:]


_ANY = [flip, truncate, behead, delete, insert, replace, duplicate, zero]
_TEXT = [swap_lines, repeat_line, swap_mark, change_number, change_word, recode, nest]


def _inside_gzip(data: bytes, rng: Rng) -> bytes:
    try:
        return gzip.compress(damage(gzip.decompress(data), rng, _ANY + _TEXT), mtime=0)
    except (OSError, EOFError, zlib.error):
        return flip(data, rng)


def _inside_zip(data: bytes, rng: Rng) -> bytes:
    """One member damaged, renamed, twice there or gone, in an archive that is in order."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = [(info.filename, archive.read(info)) for info in archive.infolist()]
    except Exception:  # damaged before
        return flip(data, rng)
    if not members:
        return flip(data, rng)
    place = int(rng.integers(len(members)))
    name, content = members[place]
    how = rng.integers(6)
    if how == 0:
        del members[place]
    elif how == 1:
        other = members[rng.integers(len(members))][0]
        members[place] = (other if rng.random() < 0.5 else "x\x1b[2J\n" * 9 + ".npy", content)
    elif how == 2:
        members[place] = (name, members[rng.integers(len(members))][1])
    else:
        kinds = [_npy, _npy, flip, truncate, integer] if name.endswith(".npy") else [*_ANY, integer]
        members[place] = (name, damage(content, rng, kinds))
    stream = io.BytesIO()
    kind = zipfile.ZIP_DEFLATED if rng.random() < 0.5 else zipfile.ZIP_STORED
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # names that come twice
        with zipfile.ZipFile(stream, "w", kind) as archive:
            for name, content in members:
                archive.writestr(name, content)
    return stream.getvalue()


def _npy(data: bytes, rng: Rng) -> bytes:
    """Another header over the numbers of an .npy file."""
    if data[:6] != b"\x93NUMPY" or len(data) < 12:
        return flip(data, rng)
    version, at = (1, 10) if data[6] == 1 else (2, 12)
    size = struct.unpack("<H" if version == 1 else "<I", data[8:at])[0]
    header = data[at : at + size].decode("latin-1").strip()
    part, others = [("'shape': ", _SHAPES), ("'descr': ", _KINDS)][rng.integers(2)]
    other = part + others[rng.integers(len(others))]
    pattern = part + (r"\([^)]*\)" if "shape" in part else r"'[^']*'")
    header = re.sub(pattern, lambda _: other, header)
    if rng.random() < 0.1:
        header = header.replace("False", ["True", "1", "None", "__import__('os')"][rng.integers(4)])
    text = header.encode("latin-1") + b"\n"
    length = struct.pack("<H" if version == 1 else "<I", len(text))
    return data[:8] + length + text + data[at + size :]


def damage(data: bytes, rng: Rng, kinds: list[Callable[[bytes, Rng], bytes]]) -> bytes:
    """One to three kinds of damage, one after the other."""
    for _ in range(int(rng.integers(1, 4))):
        data = kinds[rng.integers(len(kinds))](data, rng) if data else b"\0"
    return data


def mutated(sample: Sample, rng: Rng) -> bytes:
    """A sample with damage of the kinds that fit it."""
    name = sample.name
    if name.endswith(".npy"):
        kinds = [*_ANY, integer, *[_npy] * 6]
    elif name.endswith((".npz", ".pt")):
        kinds = [flip, truncate, delete, integer, *[_inside_zip] * 8]
    elif name.endswith(".gz"):
        kinds = [flip, truncate, delete, zero, integer, *[_inside_gzip] * 5]
    elif name.endswith((".parquet", ".feather", ".arrow", ".bz2", ".xz")):
        kinds = [*_ANY, integer, integer]
    else:
        kinds = [*_ANY, *_TEXT, *_TEXT]
    return damage(sample.content, rng, kinds)


# -- what may come out


def _said(text: str, path: Path) -> None:
    short = text.replace(str(path), path.name)
    assert short.isprintable(), f"not one printable line: {short!r}"
    assert len(short) < 500, f"{len(short)} characters: {short}"
    for word in ("allocate", "MemoryError", "malloc", "bad_alloc", " at 0x", "Traceback"):
        assert word not in short, short


def _finite(values: Any) -> None:
    assert np.isfinite(values.data if sp.issparse(values) else values).all()


def _ids(ids: np.ndarray, count: int) -> None:
    assert ids.shape == (count,)
    assert ids.dtype == np.int64 or all(isinstance(i, str) and i for i in ids.tolist())


def check_result(got: Any, read: Reader, path: Path) -> None:
    """Fails if what was read is not finite and consistent."""
    for note in getattr(got, "notes", ()):
        _said(note, path)
    if isinstance(got, Graph):
        matrix, n = got.adjacency, got.num_nodes
        assert matrix.shape == (n, n) and matrix.dtype == np.float32
        matrix.check_format(full_check=True)
        assert np.isfinite(matrix.data).all() and (matrix.data > 0).all()
        _ids(got.node_ids, n)
        assert len(set(got.node_ids.tolist())) == n
        if got.features is not None:
            assert got.features.shape[0] == n and got.features.shape[1] > 0
            _finite(got.features)
            assert got.feature_names is None or len(got.feature_names) == got.features.shape[1]
        if got.labels is not None:
            assert got.labels.shape[0] == n and got.label_names is not None
            assert got.labels.max(initial=0) < max(1, len(got.label_names))
    elif isinstance(got, NodeTable):
        if got.ids is not None:
            _ids(got.ids, len(got))
        if got.names is not None:
            assert len(got.names) == got.values.shape[1]
        if read is read_features:
            _finite(got.values)
    elif isinstance(got, Table):
        assert got.values.ndim == 2 and 0 not in got.values.shape
        _finite(got.values)
        rows = got.values.shape[0]
        if got.row_ids is not None:
            _ids(got.row_ids, rows)
            assert len(set(got.row_ids.tolist())) == rows
        if got.columns is not None and len(got.columns) > 1:
            assert len(got.columns) == got.values.shape[1]
    elif isinstance(got, RatingsTable):
        for role in ("user", "item"):
            _ids(got.table[role].to_numpy(), len(got.table))
        assert len(got.table) and np.isfinite(got.table["rating"].to_numpy()).all()
    else:
        assert got is None or all(isinstance(name, str) for name in got)


class Hung(BaseException):
    """A reader took too long."""


@contextlib.contextmanager
def _limited(seconds: float) -> Iterator[None]:
    def late(*_: Any) -> None:
        raise Hung(f"still reading after {seconds:g} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


@dataclasses.dataclass(frozen=True)
class Case:
    """One damaged file and how it is read."""

    name: str
    content: bytes
    read: Reader
    how: dict[str, Any]

    def run(self, folder: Path) -> str:
        """Read it and say what came out: "read" or "refused".

        Raises
        ------
        AssertionError
            If it is neither an `InputError` of one short line nor a sound result.
        """
        path = folder / self.name
        path.write_bytes(self.content)
        before = _peak()
        with warnings.catch_warnings(record=True) as caught, _limited(SECONDS):
            warnings.simplefilter("always")
            try:
                check_result(self.read(path, **self.how), self.read, path)
                outcome = "read"
            except InputError as error:
                _said(str(error), path)
                outcome = "refused"
        for warning in caught:
            own = warning.category.__module__.startswith("damrep") or "/" in str(warning.message)
            assert own, f"a warning of another library: {warning.category} {warning.message}"
        assert _peak() - before < BYTES, f"{(_peak() - before) >> 20} MB of memory"
        return outcome


_DIALECTS = [
    {"separator": "::"}, {"separator": ","}, {"separator": "tab"}, {"separator": "space"},
    {"separator": ";", "decimal": ","}, {"decimal": ","}, {"header": True}, {"header": False},
    {"comment": "#"}, {"comment": "%", "separator": " "}, {"encoding": "latin-1"},
    {"encoding": "utf-16"}, {"encoding": "cp1252", "header": False, "separator": "|"},
]  # fmt: skip
_MORE: dict[Any, list[dict[str, Any]]] = {
    read_graph: [
        {"directed": True}, {"bipartite": True}, {"weighted": False}, {"directed": False},
        {"source": "source", "target": "target"}, {"weight": "weight"},
        {"features": SAMPLE / "features.csv"}, {"labels": SAMPLE / "labels.csv"},
    ],
    read_features: [{"nodes": np.arange(60)}],
    read_table: [
        {"id_column": "id"}, {"label_column": "label"}, {"columns": ["f0", "f1"]},
        {"columns": ["emb"]}, {"id_column": "names"},
    ],
    read_ratings: [
        {"user": "source", "item": "target", "rating": "weight"}, {"with_rating": True},
        {"user": "1", "item": "2", "rating": "3"},
    ],
}  # fmt: skip


def case(number: int, seed: int = 0, only: str = "") -> Case:
    """The damaged file of a number; the same for the same seed."""
    rng = np.random.default_rng([seed, number])
    known = [sample for sample in samples() if only in sample.name]
    sample = known[number % len(known)]
    content = mutated(sample, rng)
    read = sample.readers[rng.integers(len(sample.readers))]
    how: dict[str, Any] = {}
    if read in _MORE and rng.random() < 0.3:
        how |= _MORE[read][rng.integers(len(_MORE[read]))]
    if sample.is_text and rng.random() < 0.35:
        how["dialect"] = Dialect(**_DIALECTS[rng.integers(len(_DIALECTS))])
    return Case(sample.name, content, read, how)


def main(words: list[str] | None = None) -> int:
    """Read damaged files and say what came out."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("count", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--memory", type=int, default=4 << 30, help="bytes of address space more")
    parser.add_argument("--only", default="", help="part of the names of the samples to damage")
    parser.add_argument("--keep", type=Path, help="folder for files that break a reader")
    given = parser.parse_args(words)
    now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what others say while they are imported
        import torch_geometric.data  # noqa: F401
    resource.setrlimit(resource.RLIMIT_AS, (now + given.memory, resource.RLIM_INFINITY))
    faulthandler.enable()
    counts: Counter[str] = Counter()
    start, slowest = time.perf_counter(), (0.0, -1)
    with tempfile.TemporaryDirectory() as name:
        keep = given.keep or Path(name)
        keep.mkdir(exist_ok=True)
        for number in range(given.first, given.first + given.count):
            one = case(number, given.seed, given.only)
            (keep / "number").write_text(str(number))  # for when the process ends
            before = time.perf_counter()
            try:
                counts[one.run(Path(name))] += 1
            except (Exception, Hung) as error:
                counts["broken"] += 1
                place = traceback.extract_tb(error.__traceback__)[-1]
                print(
                    f"{number}: {one.name} {one.read.__name__} {one.how}: {type(error).__name__} "
                    f"at {place.filename}:{place.lineno}: {str(error)[:300]}"
                )
                (keep / f"{number}-{one.name}").write_bytes(one.content)
            slowest = max(slowest, (time.perf_counter() - before, number))
            if number % 10_000 == 9_999:
                print(f"{number + 1}: {dict(counts)}", file=sys.stderr, flush=True)
    seconds = time.perf_counter() - start
    print(
        f"{given.count} files, seed {given.seed}: {counts['read']} read, {counts['refused']} "
        f"refused, {counts['broken']} broken; {seconds:.0f} s, the slowest {slowest[0]:.2f} s "
        f"(number {slowest[1]}), memory up to {_peak() >> 20} MB"
    )
    return 1 if counts["broken"] else 0


if __name__ == "__main__":
    sys.exit(main())
