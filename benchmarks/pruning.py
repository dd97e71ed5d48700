"""Channel pruning: accuracy, parameters, FLOPs and latency, beside the usual ways, at equal FLOPs.

    python -m benchmarks.pruning --dataset digits|mnist|cifar10 [--net NAME] [--seeds 5] [--again]
    python -m benchmarks.pruning --dataset digits --task budget
    python -m benchmarks.pruning --dataset mnist --task latency --seeds 3
    python -m benchmarks.pruning --dataset cifar10 --task overhead

Each task, data set and network is a result of its own, written row by row (a row is one method
over all seeds), so a run that was stopped goes on with the first row missing. A tenth of the
training images is held out; settings were chosen by it, and the test images are only reported.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from benchmarks.arguments import names_list, number_of, refuse_unknown
from benchmarks.checkpoint import Checkpoint
from benchmarks.harness import Column, Say, Spread, benchmark_parser, parse, run_parts
from benchmarks.peers import PeerMissingError
from benchmarks.pruning_data import image_split
from benchmarks.pruning_latency import runtime_speedup, speedup
from benchmarks.pruning_networks import NETWORKS
from benchmarks.pruning_overhead import measure_overhead
from benchmarks.pruning_plot import plot_pruning
from benchmarks.pruning_rows import METHODS, Run
from benchmarks.pruning_settings import DATASETS, Setting

__all__ = ["TASKS", "main"]

_COLUMNS = (
    Column("method", "Method", 0),
    Column("accuracy", "Test accuracy", 4),
    Column("params", "Parameters left", 3),
    Column("flops", "FLOPs left", 3),
    Column("speedup", "Speed-up, batch 32", 2),
    Column("efficiency", "of that by FLOPs", 2),
    Column("seconds", "Seconds", 0),
)
_BUDGET_COLUMNS = (
    Column("target", "Target (FLOPs left)", 2),
    Column("flops", "FLOPs left", 4),
    Column("off", "Off the target", 4),
    Column("accuracy", "Test accuracy", 4),
    Column("params", "Parameters left", 3),
    Column("speedup", "Speed-up, batch 32", 2),
    Column("efficiency", "of that by FLOPs", 2),
)
_OVERHEAD_COLUMNS = (
    Column("network", "Network", 0),
    Column("plain", "Plain step, ms", 1),
    Column("gated", "With gates, ms", 1),
    Column("ratio", "Ratio", 3),
)
_LATENCY_COLUMNS = (
    Column("network", "Network", 0),
    Column("flops", "FLOPs left", 3),
    Column("torch", "Speed-up, PyTorch", 2),
    Column("torch_share", "of that by FLOPs", 2),
    Column("runtime", "Speed-up, ONNX Runtime", 2),
    Column("runtime_share", "of that by FLOPs", 2),
)
_BUDGETS = (0.25, 0.5, 0.75)


def _setting(options: argparse.Namespace) -> Setting:
    setting = DATASETS[options.dataset]
    if options.net is not None:
        setting = replace(setting, network=options.net)
    if options.target is not None:
        setting = replace(setting, target=options.target)
    if options.epochs is not None:
        setting = replace(setting, recipe=replace(setting.recipe, epochs=options.epochs))
    if options.images is not None:
        setting = replace(setting, rows=options.images)
    if options.quick:
        small = replace(setting.recipe, epochs=2)
        setting = replace(setting, rows=300, recipe=small, tuning=replace(setting.tuning, epochs=1))
    return setting


def _name(options: argparse.Namespace, setting: Setting, task: str = "") -> str:
    parts = ["pruning", task, options.dataset]
    if setting.network != DATASETS[options.dataset].network:
        parts.append(setting.network)
    return "-".join(part for part in parts if part)


def _runs(options: argparse.Namespace, setting: Setting) -> list[Run]:
    return [
        Run(
            image_split(options.dataset, options.data_root, seed, setting.rows),
            setting.network,
            seed,
            setting.recipe,
            setting.tuning,
            setting.target,
        )
        for seed in options.seeds
    ]


def _over(measured: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {key: Spread(tuple(row[key] for row in measured)) for key in measured[0]}


def accuracy_task(options: argparse.Namespace, say: Say) -> None:
    """Every method at the FLOPs damrep ends with."""
    setting = _setting(options)
    runs = _runs(options, setting)
    table = Checkpoint(
        _name(options, setting),
        f"Channel pruning of {setting.network} on {options.dataset}",
        _COLUMNS,
        options.out,
        under={"seeds": options.seeds, **setting.to_dict()},
        again=options.again,
        notes=setting.notes(),
    )

    def measure(method: str) -> dict[str, Any]:
        measured = []
        for run in runs:
            say(f"{options.dataset}, {setting.network}, seed {run.seed}: {method}")
            measured.append(run.measure(method))
            say(f"  {measured[-1]}")
        return {"method": method, **_over(measured)}

    # The peers are cut to what damrep ends with, so its row comes first.
    if "damrep" in options.methods:
        table.row("damrep", partial(measure, "damrep"), METHODS)
    if (ours := table.finished("damrep")) is not None:
        for run, share in zip(runs, ours["flops"]["values"], strict=True):
            run.flops_share = share
    for method in [name for name in METHODS if name in options.methods and name != "damrep"]:
        table.row(method, partial(measure, method), METHODS)
    plot_pruning(table.name, options.out)


def budget_task(options: argparse.Namespace, say: Say) -> None:
    """How near damrep comes to the FLOPs that are asked for."""
    setting = _setting(options)
    table = Checkpoint(
        _name(options, setting, "budget"),
        f"Targets of FLOPs, {setting.network} on {options.dataset}",
        _BUDGET_COLUMNS,
        options.out,
        under={"seeds": options.seeds, **setting.to_dict()},
        again=options.again,
        notes=["Off the target: the largest of all seeds, as a share of the target."],
    )

    def measure(target: float) -> dict[str, Any]:
        measured = []
        for run in _runs(options, replace(setting, target={"flops": target})):
            say(f"{options.dataset}, {setting.network}, seed {run.seed}: target {target}")
            measured.append(run.measure("damrep"))
        off = max(abs(row["flops"] / target - 1) for row in measured)
        return {"target": target, "off": off, **_over(measured)}

    for target in _BUDGETS:
        table.row(f"{target:g}", partial(measure, target))


def overhead_task(options: argparse.Namespace, say: Say) -> None:
    """What the gates add to a step of training."""
    setting = _setting(options)
    rounds = 3 if options.quick else options.rounds
    table = Checkpoint(
        _name(options, setting, "overhead"),
        f"A step of training with gates, {setting.network}",
        _OVERHEAD_COLUMNS,
        options.out,
        under={"rounds": rounds, "batch": setting.recipe.batch},
        again=options.again,
        notes=["A step: forward, backward, optimiser, and all that closing channels does."],
    )
    split = image_split(options.dataset, options.data_root, 0, 4 * setting.recipe.batch)
    say(f"{options.dataset}, {setting.network}: overhead")
    table.row(
        setting.network,
        lambda: {"network": setting.network, **measure_overhead(setting, split, rounds)},
    )


def latency_task(options: argparse.Namespace, say: Say) -> None:
    """How much faster damrep's networks are, in PyTorch and in a runtime to serve them with."""
    setting = _setting(options)
    table = Checkpoint(
        _name(options, setting, "latency"),
        f"Latency of the cut {setting.network}, {options.dataset}",
        _LATENCY_COLUMNS,
        options.out,
        under={"seeds": options.seeds, **setting.to_dict()},
        again=options.again,
        notes=[
            "A forward pass at batch 32 in eval mode, whole and cut network in turns, mean over "
            "seeds; ONNX Runtime fuses normalisation and activation into the convolutions. The "
            "column after each is its share of the ratio of FLOPs."
        ],
    )

    def measure() -> dict[str, Any]:
        measured = []
        for run in _runs(options, setting):
            say(f"{options.dataset}, {setting.network}, seed {run.seed}: latency")
            networks = run.fresh, run.model("damrep")
            left = run.flops_left(networks[1])
            found = {
                "torch": speedup(*networks, run.latency_batch),
                "runtime": runtime_speedup(*networks, run.latency_batch),
            }
            # 1 / FLOPs is the speed-up there would be if time went by FLOPs alone.
            shares = {f"{name}_share": times * left for name, times in found.items()}
            measured.append({"flops": left, **found, **shares})
            say(f"  {measured[-1]}")
        return {"network": setting.network, **_over(measured)}

    try:
        table.row(setting.network, measure)
    except PeerMissingError as error:
        say(f"{setting.network}: left out: {error}")


TASKS: dict[str, Callable[[argparse.Namespace, Say], None]] = {
    "accuracy": accuracy_task,
    "budget": budget_task,
    "latency": latency_task,
    "overhead": overhead_task,
}
"""Task -> what measures it and writes its result."""


def _target(text: str) -> dict[str, float]:
    kind, _, share = text.partition("=")
    try:
        return {kind: float(share)}
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not like flops=0.5 or params=0.3") from None


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark.

    Parameters
    ----------
    arguments : list of str, optional
        The process's own if not given.

    Returns
    -------
    int
        0; 2 where the data are not there or a result on disk cannot be used.
    """
    parser = benchmark_parser("Channel pruning, beside the usual ways, at equal FLOPs.", "1")
    parser.add_argument("--dataset", choices=[*DATASETS], default="digits")
    parser.add_argument(
        "--net", choices=[*NETWORKS], help="default: the data set's own, see pruning_settings.py"
    )
    parser.add_argument(
        "--task", type=names_list, default=["accuracy"], help=f"of {','.join(TASKS)}"
    )
    parser.add_argument(
        "--methods", type=lambda text: text.split(";"), default=list(METHODS),
        help=f"of {';'.join(METHODS)}; default: all",
    )  # fmt: skip
    parser.add_argument("--target", type=_target, help="for instance flops=0.5")
    parser.add_argument("--epochs", type=number_of("epochs"), help="of every training")
    parser.add_argument("--images", type=number_of("images"), help="of the training part")
    parser.add_argument("--rounds", type=number_of("rounds"), default="15", help="of overhead")
    parser.add_argument("--again", action="store_true", help="measure finished rows once more")
    options = parse(parser, arguments)
    refuse_unknown(parser, "tasks", options.task, TASKS)
    refuse_unknown(parser, "methods", options.methods, METHODS)
    return run_parts(TASKS, options.task, options)


if __name__ == "__main__":
    sys.exit(main())
