"""What leaving closed units out of the computation saves while the mask is still trained.

    python -m benchmarks.narrowing [--rounds 3] [--epochs 60] [--rows 10000]

A linear autoencoder of 784 columns and 512 codes is fitted to MNIST by the gradient strategy, with
and without, in turns within one run. Writes the result ``narrowing``.
"""

from __future__ import annotations

import argparse
import gzip
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.arguments import number_of
from benchmarks.harness import Column, benchmark_parser, interleave, parse, write_result
from damrep.autoencoder.gradient import GradientFit, train_by_gradient
from damrep.autoencoder.network import AutoencoderNetwork
from damrep.training import TrainingOptions, local_seed

WIDTH, BATCH, PRICE, LR = 512, 256, 1e-3, 2e-3
SPEEDUP_TARGET, DIFFERENCE_TARGET = 1.5, 1e-2
_IMAGES = Path("mnist", "MNIST", "raw", "train-images-idx3-ubyte.gz")


def images(root: Path | None, rows: int) -> tuple[Tensor, str]:
    """Rows of MNIST, centred and over one number; without it, random ones of a falling spectrum.

    Parameters
    ----------
    root : Path, optional
        Folder of the data sets.
    rows : int

    Returns
    -------
    x : Tensor, (rows, 784)
    where : str
    """
    path = None if root is None else Path(root) / _IMAGES
    if path is not None and path.is_file():
        with gzip.open(path) as file:
            file.read(16)
            raw = np.frombuffer(file.read(rows * 784), dtype=np.uint8).reshape(-1, 784)
        x, where = torch.from_numpy(raw.astype(np.float32)), "MNIST's training images."
    else:
        print(f"MNIST is not at {path}: random rows instead", file=sys.stderr)
        draw = torch.Generator().manual_seed(0)
        spectrum = 1.0 / torch.arange(1, 785)
        x = torch.randn(rows, 784, generator=draw) * spectrum
        x = x @ torch.linalg.qr(torch.randn(784, 784, generator=draw))[0]
        where = "Random rows, as MNIST was not there."
    x = x - x.mean(dim=0)
    return x / x.square().mean().sqrt(), where


def fit(x: Tensor, held_out: Tensor, narrow: bool, epochs: int, seed: int) -> GradientFit:
    """One fit by the gradient strategy.

    Parameters
    ----------
    x, held_out : Tensor, (rows, columns)
    narrow : bool
        Leave closed units out of the computation.
    epochs : int
    seed : int
    """
    size = min(BATCH, len(x))
    count = len(x) // size

    def batches(generator: torch.Generator) -> Iterable[Tensor]:
        order = torch.randperm(len(x), generator=generator)
        for i in range(count):
            yield x[order[i * size : (i + 1) * size]]

    with local_seed(seed):
        network = AutoencoderNetwork(x.shape[1], (), WIDTH)
    options = TrainingOptions(max_epochs=epochs, lr=LR, device="cpu", seed=seed)
    return train_by_gradient(
        network, batches, count, options, price=PRICE, held_out=held_out, narrow=narrow
    )


def compare(x: Tensor, epochs: int, rounds: int, seed: int) -> list[dict[str, Any]]:
    """Two rows, without and with, timed in turns.

    Parameters
    ----------
    x : Tensor, (rows, columns)
        One in ten is held out.
    epochs, rounds, seed : int
    """
    held = len(x) // 10
    fits: dict[str, GradientFit] = {}

    def run(name: str, narrow: bool) -> None:
        fits[name] = fit(x[held:], x[:held], narrow, epochs, seed)

    names = {"all units computed": False, "closed units left out": True}
    work = {name: (lambda name=name, on=on: run(name, on)) for name, on in names.items()}
    rows = interleave(work, rounds, warmup=0).rows("closed units left out")
    for row in rows:
        found = fits[row["name"]]
        row |= {"dims": found.width, "loss": found.loss, "steps": found.steps}
    slow, fast = rows
    fast["speedup"], fast["cpu_speedup"] = slow["ratio"], slow["cpu_ratio"]
    same = abs(slow["loss"] - fast["loss"]) <= DIFFERENCE_TARGET * slow["loss"]
    fast["holds"] = same and fast["speedup"] >= SPEEDUP_TARGET
    return rows


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
    parser = benchmark_parser("What leaving closed units out saves in training.", seeds="1")
    for name, what, default in (("rounds", "rounds", 3), ("epochs", "epochs", 60)):
        parser.add_argument(f"--{name}", type=number_of(what), default=default)
    parser.add_argument("--rows", type=number_of("rows"), default=10000)
    options: argparse.Namespace = parse(parser, arguments)
    if options.quick:
        options.rounds, options.epochs, options.rows = 1, min(options.epochs, 3), 1000
    x, where = images(options.data_root, options.rows)
    rows = compare(x, options.epochs, options.rounds, options.seeds[0])
    write_result(
        "narrowing",
        rows,
        [
            Column("name", "Training"),
            Column("median_s", "Median s", 1),
            Column("cpu_median_s", "CPU s", 1),
            Column("speedup", "Times faster", 2),
            Column("cpu_speedup", "Times faster, CPU", 2),
            Column("dims", "Dims"),
            Column("loss", "Held-out loss", 4),
            Column("holds", f"{SPEEDUP_TARGET:g} times, same loss within 1 %"),
        ],
        title="What leaving closed units out saves in training",
        settings={
            key: getattr(options, key)
            for key in ("seeds", "threads", "rounds", "epochs", "rows", "quick")
        },
        notes=[
            f"A linear autoencoder, 784 to {WIDTH} codes, batches of {BATCH}, price {PRICE:g}, "
            f"strategy gradient, whole fits. {where}",
            "The last 30 % of the epochs learn no mask, and compute with the open units in both.",
        ],
        out=options.out,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
