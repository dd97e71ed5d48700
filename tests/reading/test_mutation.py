"""Damaged and hostile files end in one line or a sound result: no crash, no hang, no memory."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from damrep.graph.data.files import read_features, read_graph
from damrep.masking.validation import InputError
from tests.reading.mutations import case
from tests.reading.samples import SAMPLE, Sample, samples

ROOT = SAMPLE.parents[1]
FEW, SHARES = 480, 8
MANY = int(os.environ.get("DAMREP_MUTATIONS", "100000"))


@pytest.mark.parametrize("sample", samples(), ids=lambda sample: sample.name)
def test_the_samples_are_in_order(sample: Sample, tmp_path: Path) -> None:
    """Else their mutations would show nothing."""
    path = tmp_path / sample.name
    path.write_bytes(sample.content)
    outcomes = []
    for read in sample.readers:
        try:
            read(path)
        except InputError as error:
            outcomes.append(str(error))
        else:
            return
    if sample.name != "people.csv":  # whose encoding has to be named
        pytest.fail(str(outcomes))


@pytest.mark.parametrize("share", range(SHARES))
def test_damaged_files(share: int, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for number in range(share, FEW, SHARES):
        damaged = case(number)
        try:
            damaged.run(tmp_path)
        except Exception as error:
            error.add_note(f"number {number}: {damaged.read.__name__}, {damaged.how}")
            raise
    assert capfd.readouterr() == ("", "")


@pytest.mark.slow
def test_very_many_damaged_files(tmp_path: Path) -> None:
    """In a process of its own, as libraries have ended the process on damaged bytes."""
    words = [sys.executable, "-m", "tests.reading.mutations", str(MANY), "--keep", str(tmp_path)]
    ended = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    number = (tmp_path / "number").read_text()
    assert ended.returncode == 0, f"up to number {number}: {ended.stdout[-3000:]}{ended.stderr}"
    print(ended.stdout)


# -- what no accident does

_MTX = b"%%MatrixMarket matrix "
_DTD = b'<?xml version="1.0"?><!DOCTYPE a ['
_LAUGHS = (
    _DTD
    + b'<!ENTITY a0 "ha">'
    + b"".join(b'<!ENTITY a%d "%s">' % (i, b"&a%d;" % (i - 1) * 10) for i in range(1, 12))
    + b"]><graphml>&a11;</graphml>"
)
_EXTERNAL = (
    _DTD
    + b'<!ENTITY x SYSTEM "file:///etc/hostname">]>'
    + b'<graphml xmlns="http://graphml.graphdrawing.org/xmlns"><graph edgedefault="directed">'
    + b'<node id="a">&x;</node><node id="&x;"/><edge source="a" target="a"/></graph></graphml>'
)


def _npz(**arrays: Any) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


def _npy(shape: str) -> bytes:
    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() + b"\0" * 64


HOSTILE: dict[str, tuple[bytes, str]] = {
    "rows.mtx": (_MTX + b"coordinate pattern general\n10000000000 10000000000 1\n1 1\n", "matrix"),
    "entries.mtx": (_MTX + b"coordinate real general\n9 9 99999999999\n1 1 1\n", "announces"),
    "dense.mtx": (_MTX + b"array real general\n1000000 1000000\n1\n", "1 numbers for a general"),
    "nodes.npz": (_npz(edges=[[0, 1]], num_nodes=10**11), "count from 0"),
    "ends.npz": (_npz(edges=[[0, 10**11]]), "count from 0"),
    "coo.npz": (
        _npz(format=b"coo", shape=[10**11, 10**11], data=[1.0], row=[1], col=[2]),
        "count from 0",
    ),
    **{
        f"{kind}.npz": (
            _npz(
                format=kind.encode(), shape=[2, 2], data=np.ones((1, 1, 1) if kind == "bsr" else 1),
                indices=[1], indptr=[0, 1 << 27, 0],
            ),
            "indptr must never fall",
        )
        for kind in ("csr", "csc", "bsr")
    },
    "classes.npz": (
        _npz(edges=[[0, 1]], label_node=[10**9], label_group=[10**9]), "do not fit",
    ),
    "shape.npy": (_npy("(99999999999, 8)"), "promises"),
    "many.npy": (_npy("(" + "1," * 60 + "9)"), "not a readable|expected"),
    "flat.npy": (_npy("(0, 99999999999999)"), "header says"),
    "laughs.graphml": (_LAUGHS, "not a readable GraphML"),
    "external.graphml": (_EXTERNAL, "not a readable GraphML"),
    "laughs.gexf": (_LAUGHS.replace(b"graphml", b"gexf"), "not a readable GEXF"),
    "deep.json": (b'{"nodes": ' + b"[" * 100_000, "not a readable node-link"),
    "deep.gml": (b"graph [" * 50_000, "not a readable GML"),
    "deep.edgelist": (b"0 1 {'a': " + b"(" * 50_000 + b"}\n", "not a readable edge list"),
    "signs.edgelist": (b"0 1 {'a': " + b"-" * 50_000 + b"1}\n", "not a readable edge list"),
    "deep.jsonl": (b'{"a":' * 50_000, "not a readable JSON-lines"),
    "line.csv.xz": (lzma.compress(b"a" * (100 << 20)), "a line of more than 64 MB"),
    "blank.csv.bz2": (bz2.compress(b"\n" * (100 << 20)), "no rows"),
    "zeros.csv.gz": (gzip.compress(bytes(1 << 20)), "zero byte"),
    "old.feather": (b"FEA1" + b"\xff" * 60 + b"FEA1", "the first version of feather"),
}  # fmt: skip

_PROGRAM = """
import json, resource, sys
from pathlib import Path
from damrep.autoencoder.tables import read_table
from damrep.graph.data.files import read_features, read_graph
from damrep.masking.validation import InputError

def memory():
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()

resource.setrlimit(resource.RLIMIT_AS, (memory() + (700 << 20), resource.RLIM_INFINITY))
said = {}
for path in map(Path, sys.argv[1:]):
    read = read_features if path.suffix == ".npy" else read_graph
    try:
        said[path.name] = repr(read(path))
    except InputError as error:
        said[path.name] = str(error)
print(json.dumps(said))
"""


def test_hostile_files_in_little_memory(tmp_path: Path) -> None:
    import json

    for name, (content, _) in HOSTILE.items():
        (tmp_path / name).write_bytes(content)
    paths = [str(tmp_path / name) for name in HOSTILE]
    ended = subprocess.run(
        [sys.executable, "-c", _PROGRAM, *paths],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    said = json.loads(ended.stdout)
    for name, (_, message) in HOSTILE.items():
        with pytest.raises(InputError, match=message):
            raise InputError(said[name])
        assert "more than the memory holds" not in said[name]


@pytest.mark.parametrize(
    "make",
    [
        lambda path: path.with_suffix(".npy").write_bytes(_npy("__import__('os').mkdir('ran')")),
        lambda path: path.with_suffix(".edgelist").write_text("0 1 {'a': __import__('os')}\n"),
    ],
)
def test_nothing_in_a_file_is_run(make: Callable[[Path], object], tmp_path: Path) -> None:
    make(tmp_path / "file")
    (path,) = tmp_path.iterdir()
    with pytest.raises(InputError):
        (read_features if path.suffix == ".npy" else read_graph)(path)
    assert list(tmp_path.iterdir()) == [path]
