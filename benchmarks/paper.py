"""The results of the paper, in its own units, by its own training and by damrep.

    python -m benchmarks.paper [--parts curve,stability] [--seeds 1] [--again]

The paper is Bu, Daw, Maruf, Karpatne, "Learning Compact Representations of Neural Networks using
DiscriminAtive Masking (DAM)", NeurIPS 2021, arXiv 2110.00684. What is published, and where from:

``curve``
    An autoencoder of MNIST, 784-128-64-32-50 and back, pixels from -1 to 1. Test error against the
    dimensions learned, read off the paper's figure: 4 dimensions .129, 8 .083, 10 .072, 12 .060,
    15 .052, 17 .049; macro-F1 of a perceptron on the codes .966 at 17. By the authors' code it took
    100 epochs of 118 batches, 11,800 steps.
``stability``
    Dimensions against lambda on the same network. The lambdas are those of the authors' code.
``gates``
    The three shapes of the gate: ReLU of tanh, which the paper takes, linear, piecewise linear.
``cold-start``
    Beta held during the first epochs, or not.
``rank``
    Tables of 10 linear, 20 quadratic and 20 dimensions of an MLP, 50 codes; the paper finds them.
``igmc``
    A graph network for ratings with the mask over its readout; the lambda of the authors' code.

The paper's training is that of its authors' code (github.com/jayroxis/dam-pytorch), in
`benchmarks.paper_training`. Each part is a result of its own, ``paper-PART.json``, written row by
row, so a run that was stopped goes on with the first row that is missing; the rows of the stability
are also rows of the curve, and are measured once.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from benchmarks.arguments import add_parts, refuse_unknown
from benchmarks.harness import Say, benchmark_parser, parse, run_parts
from benchmarks.paper_masks import cold_start_part, gates_part, igmc_part, rank_part
from benchmarks.paper_mnist import curve_part, stability_part

__all__ = ["PARTS", "main"]

PARTS: dict[str, Callable[[argparse.Namespace, Say], None]] = {
    "curve": curve_part,
    "stability": stability_part,
    "gates": gates_part,
    "cold-start": cold_start_part,
    "rank": rank_part,
    "igmc": igmc_part,
}
"""Part -> what measures it and writes its result."""


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark.

    Parameters
    ----------
    arguments : list of str, optional
        The process's own if not given.

    Returns
    -------
    int
        0; 2 where a result on disk or the data cannot be used.
    """
    parser = benchmark_parser("The paper's results, by its training and by damrep.", seeds="1")
    add_parts(parser, PARTS)
    parser.add_argument("--again", action="store_true", help="measure finished rows once more")
    options = parse(parser, arguments)
    refuse_unknown(parser, "parts", options.parts, PARTS)
    return run_parts(PARTS, options.parts, options)


if __name__ == "__main__":
    sys.exit(main())
