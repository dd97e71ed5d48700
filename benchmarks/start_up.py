"""What importing damrep takes beside importing torch alone.

    python -m benchmarks.start_up [--rounds 15]

Each import in a new Python process, in turns, by processor time; the time of Python itself is in
all of them.
"""

from __future__ import annotations

import subprocess
import sys
from functools import partial

from benchmarks.harness import Column, benchmark_parser, interleave, parse, say, write_result

__all__ = ["AT_MOST", "MODULES", "imported", "main"]

MODULES = (
    "torch",
    "damrep.graph.estimator",
    "damrep.autoencoder.estimator",
    "damrep.recommend.explicit",
    "damrep.recommend.implicit",
    "damrep.recommend.igmc.estimator",
    "damrep.pruning.training",
)
AT_MOST = 1.6


def imported(module: str) -> None:
    """Import a module in a new Python process.

    Parameters
    ----------
    module : str
        Full name.

    Raises
    ------
    subprocess.CalledProcessError
        If it cannot be imported.
    """
    subprocess.run([sys.executable, "-c", f"import {module}"], check=True)


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
    parser = benchmark_parser("Importing damrep beside importing torch alone.")
    parser.add_argument("--rounds", type=int, default=15, help="rounds timed; default: 15")
    options = parse(parser, arguments)
    if options.rounds < 1:
        parser.error(f"--rounds must be >= 1, got {options.rounds}")
    if options.quick:
        options.rounds = 1
    timed = interleave({name: partial(imported, name) for name in MODULES}, options.rounds)
    rows = []
    for row in timed.rows("torch"):
        target = None if row["name"] == "torch" else AT_MOST
        holds = None if target is None else row["cpu_ratio"] <= target
        rows.append({**row, "target": target, "holds": holds})
        say(f"import {row['name']}: {row['cpu_median_s']:.2f} CPU s, {row['cpu_ratio']:.2f}")
    write_result(
        "start-up",
        rows,
        [
            Column("name", "Import"),
            Column("cpu_median_s", "CPU s", 2),
            Column("cpu_ratio", "Times torch's", 2),
            Column("target", "At most", 1),
            Column("holds", "Holds"),
        ],
        title="What an import takes",
        settings={"threads": options.threads, "rounds": options.rounds, "quick": options.quick},
        notes=["Median CPU seconds of new Python processes, taken in turns."],
        out=options.out,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
