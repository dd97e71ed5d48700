"""The parts ``cost`` and ``memory`` of `benchmarks.autoencoder`: seconds, steps and megabytes."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.autoencoder_tables import DATASETS, TableRuns
from benchmarks.damrep_fits import fit_damrep
from benchmarks.harness import Column, Say, interleave, measure, write_result
from damrep.autoencoder.estimator import DAMAutoencoder
from damrep.masking.validation import InputError

__all__ = ["cost_part", "fit_file", "memory_part", "tried_widths", "write_table"]

TRIED = 8
STEPS_TARGET, CHEAPER_TARGET = 1.5, 5.0
MEMORY_LIMIT_MB = 2**30 / 1e6
SHAPE, QUICK_SHAPE = (1_000_000, 200), (20_000, 20)
_BLOCK = 50_000


def tried_widths(most: int, count: int = TRIED) -> list[int]:
    """Widths somebody would try up to the widest, evenly on a logarithmic scale.

    Examples
    --------
    >>> tried_widths(64)
    [2, 3, 5, 9, 14, 24, 39, 64]
    """
    spread = np.geomspace(2, most, count)
    return sorted({round(float(width)) for width in spread})


def cost_part(options: argparse.Namespace, say: Say) -> None:
    """One fit that finds its width, beside fits at eight widths, in turns."""
    datasets = [name for name in options.datasets or ["digits", "mnist"] if name in DATASETS]
    rows: list[dict[str, Any]] = []
    for dataset in ["digits"] if options.quick else datasets:
        try:
            rows += _cost_rows(TableRuns(dataset, options), options)
        except InputError as error:
            say(f"{dataset}: left out: {error}")
            continue
        for row in rows[-3:]:
            say(f"{dataset}: {row['name']}: {row['steps']} steps, {row['cpu_median_s']:.1f} CPU s")
    if not rows:
        return
    write_result(
        "autoencoder-cost",
        rows,
        [
            Column("dataset", "Table"),
            Column("name", "Fit"),
            Column("dims", "Dims"),
            Column("steps", "Steps"),
            Column("steps_ratio", "Steps, to one width", 2),
            Column("median_s", "Wall s", 1),
            Column("cpu_median_s", "CPU s", 1),
            Column("cpu_ratio", "CPU, to one width", 2),
            Column("holds", "Holds"),
        ],
        title="What finding the width costs",
        settings={key: getattr(options, key) for key in ("seeds", "rows", "rounds", "quick")},
        notes=[
            "All fits are damrep's own, with the same number of epochs at a width that is given; "
            "measured in turns. Holds: finding the width takes at most "
            f"{STEPS_TARGET:g} times the steps of one fit at a given width; {TRIED} fits at given "
            f"widths take at least {CHEAPER_TARGET:g} times the CPU seconds of finding it.",
        ],
        out=options.out,
    )


def _cost_rows(runs: TableRuns, options: argparse.Namespace) -> list[dict[str, Any]]:
    seed = options.seeds[0]
    x = runs.split(seed).x_train
    # With "auto", both a linear model and a network are fitted; here it is the network that counts.
    settings = {"hidden": (256, 256), **runs.settings}
    most = min(settings.get("max_components", 64), *x.shape)
    widths = tried_widths(most)
    steps: dict[str, int] = {}
    learned: list[int] = []

    def find() -> None:
        fit = fit_damrep(x, seed, **settings)
        steps[names[1]] = fit.steps
        learned[:] = [fit.dims]

    def one() -> None:
        steps[names[0]] = fit_damrep(x, seed, **settings, n_components=(learned or [most])[0]).steps

    def several() -> None:
        fits = [fit_damrep(x, seed, **settings, n_components=m) for m in widths]
        steps[names[2]] = sum(fit.steps for fit in fits)

    names = ("one given width", "width found", f"{len(widths)} given widths")
    # The learned width first: the fit at a given width is made at that one.
    find()
    work = dict(zip(names, (one, find, several), strict=True))
    timed = interleave(work, options.rounds, warmup=0)
    rows = timed.rows(names[0])
    cheaper = timed.ratio(names[2], names[1], "cpu")
    dims = (str(learned[0]), str(learned[0]), ", ".join(map(str, widths)))
    for row, text in zip(rows, dims, strict=True):
        row["dataset"], row["dims"], row["steps"] = runs.name, text, steps[row["name"]]
        row["steps_ratio"] = row["steps"] / max(1, steps[names[0]])
    rows[1]["holds"] = rows[1]["steps_ratio"] <= STEPS_TARGET
    rows[2] |= {"holds": cheaper >= CHEAPER_TARGET, "cheaper": cheaper}
    return rows


def write_table(path: Path, rows: int, columns: int, dims: int = 20, seed: int = 0) -> None:
    """Put a float32 table of some dimensions, with a little noise, into an npy file.

    Parameters
    ----------
    path : Path
    rows, columns : int
    dims : int
    seed : int
    """
    rng = np.random.default_rng(seed)
    mix = rng.standard_normal((dims, columns), dtype=np.float32)
    table = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=(rows, columns))
    for start in range(0, rows, _BLOCK):
        stop = min(rows, start + _BLOCK)
        latent = rng.standard_normal((stop - start, dims), dtype=np.float32)
        noise = rng.standard_normal((stop - start, columns), dtype=np.float32)
        table[start:stop] = latent @ mix + 0.1 * noise
    table.flush()


def fit_file(path: str, parameters: dict[str, Any]) -> dict[str, Any]:
    """Fit a table that stays on disk; for a process of its own.

    Parameters
    ----------
    path : str
        An npy file.
    parameters : dict
        Of the estimator.
    """
    x = np.load(path, mmap_mode="r")
    model = DAMAutoencoder(device="cpu", random_state=0, **parameters).fit(x)
    steps = int(model.report_.details.get("steps", 0))
    return {"dims": int(model.n_components_), "steps": steps}


def memory_part(options: argparse.Namespace, say: Say) -> None:
    """Peak memory of fitting a table that is mapped into memory from disk."""
    shape = QUICK_SHAPE if options.quick else SHAPE
    rows = []
    with tempfile.TemporaryDirectory(prefix="damrep-memory-") as folder:
        path = Path(folder) / "table.npy"
        write_table(path, *shape)
        # One pass over the rows: memory is the same in each, and ten of them take half an hour.
        kinds: dict[str, dict[str, Any]] = {
            "linear": {"hidden": ()},
            "default, one epoch": {"max_epochs": 1},
        }
        if options.quick:
            del kinds["linear"]
        for name, parameters in kinds.items():
            done = measure(fit_file, str(path), parameters, fresh_process=True)
            assert done.peak_mb is not None and done.start_mb is not None
            above = done.peak_mb - done.start_mb
            rows.append(
                {
                    "name": name,
                    "table": f"{shape[0]:,} x {shape[1]}, float32",
                    "table_mb": 4 * shape[0] * shape[1] / 1e6,
                    "above_mb": above,
                    "cpu_s": done.cpu_s,
                    **done.value,
                    "holds": above <= MEMORY_LIMIT_MB,
                }
            )
            say(f"{name}: {above:.0f} MB above the start, {done.cpu_s:.0f} CPU s")
    write_result(
        "autoencoder-memory",
        rows,
        [
            Column("table", "Table, memory-mapped"),
            Column("table_mb", "On disk, MB", 0),
            Column("name", "Fit"),
            Column("dims", "Dims"),
            Column("steps", "Steps"),
            Column("above_mb", "Peak above start, MB", 0),
            Column("cpu_s", "CPU s", 1),
            Column("holds", "At most 1 GiB"),
        ],
        title="Memory for a table that stays on disk",
        settings={"shape": list(shape), "quick": options.quick},
        notes=[
            "Peak resident memory of a fresh process, with the pages of the file that are in "
            "memory, less what it held once everything was imported. MB are 10^6 bytes.",
        ],
        out=options.out,
    )
