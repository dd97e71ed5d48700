"""What masks cost in training, what cutting saves in inference, what the whole command takes.

    python -m benchmarks.cost [--parts overhead,compaction,command] [--rounds 40]

Each part writes a result of its own: ``cost-overhead``, ``cost-compaction``, ``cost-command``.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from benchmarks.arguments import add_parts
from benchmarks.cost_training import (
    WIDTHS,
    MaskLayersEncoder,
    Step,
    make_task,
    synthetic_graph,
    training_step,
)
from benchmarks.harness import (
    Column,
    benchmark_parser,
    interleave,
    measure,
    over_seeds,
    parse,
    write_result,
)
from damrep.datasets import load
from damrep.graph.data.graph import Graph
from damrep.graph.encoding.encoders import GCNEncoder
from damrep.graph.encoding.inputs import GraphInputs, fit_preparation
from damrep.graph.encoding.propagation import SparseOperator
from damrep.graph.encoding.stack import GraphEncoder
from damrep.masking.validation import InputError

CUT_TO = 64
OVERHEAD_TARGET, SPEEDUP_TARGET, DIFFERENCE_TARGET = 1.08, 10.0, 1e-5
COMMAND_TARGETS = {"cora": 40.0, "pubmed": 200.0}


def _cora(data_root: Path | None) -> tuple[Graph, str]:
    try:
        return load("cora", data_root), "Cora."
    except InputError as error:
        print(f"cora: {error}", file=sys.stderr)
        return synthetic_graph(), "A random graph of Cora's size, as Cora was not there."


def _inputs(graph: Graph, seed: int) -> GraphInputs:
    return fit_preparation(graph, WIDTHS[0], seed).prepare(graph)


def overhead(options: argparse.Namespace) -> None:
    """Training steps without masks, with damrep's masks, with masks as layers, in turns."""
    graph, where = _cora(options.data_root)
    seed = options.seeds[0]
    inputs = _inputs(graph, seed)
    names = {
        "no masks": (False, GCNEncoder),
        "masks of damrep's encoders": (True, GCNEncoder),
        "the same masks as layers of their own": (True, MaskLayersEncoder),
    }
    work = {
        name: training_step(make_task(inputs, masked, seed, encoder, WIDTHS), masked, seed)
        for name, (masked, encoder) in names.items()
    }
    rows = interleave(work, options.rounds, warmup=min(3, options.rounds)).rows("no masks")
    for row in rows:
        row["median_ms"] = 1e3 * row["median_s"]
        row["holds"] = None if row["name"] == "no masks" else row["ratio"] <= OVERHEAD_TARGET
    write_result(
        "cost-overhead",
        rows,
        [
            Column("name", "Training step"),
            Column("median_ms", "Median ms", 1),
            Column("ratio", "To no masks"),
            Column("cpu_ratio", "CPU, to no masks"),
            Column("holds", f"At most {OVERHEAD_TARGET:g}"),
        ],
        title="What masks add to a training step",
        settings=_settings(options),
        notes=[
            f"GCN, {len(WIDTHS)} layers of {WIDTHS[0]}, group discrimination, full batch. {where}",
            "Penalty, optimiser step of beta, floor and history of the masks are part of it.",
        ],
        out=options.out,
    )


def compaction(options: argparse.Namespace) -> None:
    """Inference with both masks at 64 units, and of the encoder cut to those, in turns."""
    graph, where = _cora(options.data_root)
    seed = options.seeds[0]
    inputs = _inputs(graph, seed)
    task = make_task(inputs, True, seed, widths=WIDTHS)
    step = training_step(task, True, seed)
    for _ in range(min(20, options.rounds)):
        step()
    encoder: GraphEncoder = task.encoder.eval()
    for mask in encoder.masks:
        mask.set_width(CUT_TO)
    dense = inputs.features.toarray() if sp.issparse(inputs.features) else inputs.features
    features: dict[str, Tensor | SparseOperator] = {
        "sparse": SparseOperator(sp.csr_array(inputs.features)),
        "dense": torch.from_numpy(np.asarray(dense, dtype=np.float32)),
    }
    rows = []
    for kind, x in features.items():
        rows += compare_compact(encoder, x, inputs.operator(encoder.propagation), options.rounds)
        for row in rows[-2:]:
            row["features"] = kind
    write_result(
        "cost-compaction",
        rows,
        [
            Column("features", "Features"),
            Column("name", "Encoder"),
            Column("median_ms", "Median ms", 2),
            Column("speedup", "Times faster", 1),
            Column("cpu_speedup", "Times faster, CPU", 1),
            Column("difference_text", "Largest difference"),
            Column("holds", f"{SPEEDUP_TARGET:g} times and {DIFFERENCE_TARGET:g}"),
        ],
        title="What cutting closed units saves",
        settings=_settings(options),
        notes=[
            f"Inference, float32: GCN, {len(WIDTHS)} layers of {WIDTHS[0]} with {CUT_TO} units "
            f"open in each. {where}",
            f"On dense features the first product alone is {WIDTHS[0] // CUT_TO} times smaller and "
            "bounds the ratio; where so few are non-zero, damrep keeps them sparse.",
        ],
        out=options.out,
    )


def compare_compact(
    encoder: GraphEncoder, x: Tensor | SparseOperator, operator: SparseOperator, rounds: int
) -> list[dict[str, Any]]:
    """Two rows: the masked encoder and its cut version, timed in turns and compared.

    Parameters
    ----------
    encoder : GraphEncoder
        With its last layer masked.
    x : Tensor or SparseOperator, (nodes, features)
    operator : SparseOperator, (nodes, nodes)
    rounds : int
    """
    small = encoder.compact()
    with torch.no_grad():
        masked = encoder(x, operator)[:, encoder.masks[-1].active]
        difference = float((small(x, operator) - masked).abs().max())
        largest = float(masked.abs().max())

    def inference(model: GraphEncoder) -> Step:
        def run() -> None:
            with torch.no_grad():
                model(x, operator)

        return run

    work = {"masked": inference(encoder), "cut": inference(small)}
    timed = interleave(work, rounds, warmup=min(3, rounds))
    rows = timed.rows("cut")
    for row in rows:
        row["median_ms"] = 1e3 * row["median_s"]
    speedup = timed.ratio("masked", "cut")
    rows[-1] |= {
        "speedup": speedup,
        "cpu_speedup": timed.ratio("masked", "cut", "cpu"),
        "difference": difference,
        "difference_text": f"{difference:.0e} of {largest:.2g}",
        "holds": speedup >= SPEEDUP_TARGET and difference <= DIFFERENCE_TARGET,
    }
    return rows


def run_command(
    dataset: str, seed: int, folder: Path, data_root: Path | None = None
) -> dict[str, float]:
    """`damrep fit-embedding` in a process of its own: CPU seconds from its start to its end.

    Parameters
    ----------
    dataset : str
    seed : int
    folder : Path
        The output is made in it.
    data_root : Path, optional

    Returns
    -------
    dict
        ``cpu_s``, ``wall_s``, ``dims``.

    Raises
    ------
    RuntimeError
        If the command fails; with what it said.
    """
    out = folder / f"{dataset}-{seed}"
    words = [sys.executable, "-m", "damrep", "fit-embedding", dataset]
    words += ["--seed", str(seed), "--device", "cpu", "--out", str(out), "--quiet"]
    words += [] if data_root is None else ["--data-root", str(data_root)]
    done = measure(subprocess.run, words, capture_output=True, text=True, check=False)
    if done.value.returncode != 0:
        raise RuntimeError(f"fit-embedding {dataset}: {done.value.stderr.strip()[-500:]}")
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    return {"cpu_s": done.cpu_s, "wall_s": done.wall_s, "dims": float(report["learned_dims"])}


def command(options: argparse.Namespace) -> None:
    """CPU seconds of the whole command, evaluation and report included."""
    datasets = ["karate"] if options.quick else list(COMMAND_TARGETS)
    rows = []
    with tempfile.TemporaryDirectory(prefix="damrep-cost-") as folder:
        for name in datasets:

            def run_one(seed: int, name: str = name) -> dict[str, float]:
                return run_command(name, seed, Path(folder), options.data_root)

            try:
                found: Mapping[str, Any] = over_seeds(run_one, options.seeds)
            except RuntimeError as error:
                print(f"{name}: left out: {error}", file=sys.stderr)
                continue
            target = COMMAND_TARGETS.get(name)
            holds = None if target is None else found["cpu_s"].mean <= target
            command_text = f"damrep fit-embedding {name}"
            rows.append({"command": command_text, "target": target, "holds": holds, **found})
    if not rows:
        return
    write_result(
        "cost-command",
        rows,
        [
            Column("command", "Command"),
            Column("cpu_s", "CPU s", 1),
            Column("wall_s", "Wall s", 1),
            Column("dims", "Dims", 1),
            Column("target", "At most CPU s", 0),
            Column("holds", "Holds"),
        ],
        title="What the whole command takes",
        settings=_settings(options),
        notes=["From the start of Python to its end, with evaluation, baselines and report."],
        out=options.out,
    )


def _settings(options: argparse.Namespace) -> dict[str, Any]:
    return {key: getattr(options, key) for key in ("seeds", "threads", "rounds", "quick")}


PARTS: dict[str, Callable[[argparse.Namespace], None]] = {
    "overhead": overhead,
    "compaction": compaction,
    "command": command,
}


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark.

    Parameters
    ----------
    arguments : list of str, optional
        The process's own if not given.

    Returns
    -------
    int
        0.
    """
    parser = benchmark_parser("What masks cost, what cutting saves, what the command takes.")
    add_parts(parser, PARTS)
    parser.add_argument("--rounds", type=int, default=40, help="rounds timed; default: 40")
    options = parse(parser, arguments)
    unknown = [part for part in options.parts if part not in PARTS]
    if unknown or options.rounds < 1:
        parser.error(f"--parts takes {', '.join(PARTS)}, --rounds a number >= 1")
    if options.quick:
        options.rounds = min(options.rounds, 3)
    for part in options.parts:
        PARTS[part](options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
