"""The picture of the README: the curve of scikit-learn's digits, and where the price cuts it.

python docs/curve.py      writes docs/_static/curve.svg and curve.png
"""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
matplotlib.rcParams.update({"svg.hashsalt": "damrep", "svg.fonttype": "none", "font.size": 11})

import matplotlib.pyplot as plt  # noqa: E402
import numpy as np  # noqa: E402
from sklearn.datasets import load_digits  # noqa: E402

from damrep import DAMAutoencoder  # noqa: E402
from damrep.reporting.svg import ACCENT, INK, MUTED, PRICE  # noqa: E402

FOLDER = Path(__file__).parent / "_static"


def main() -> None:
    """Fit, and draw."""
    reducer = DAMAutoencoder(price=0.01, random_state=0).fit(load_digits().data)
    dims, losses = reducer.components_curve_.T
    learned, price = reducer.n_components_, 0.01
    loss = float(np.interp(learned, dims, losses))
    _, axes = plt.subplots(figsize=(7.2, 3.4), layout="constrained")
    axes.plot(dims, losses, color=ACCENT, linewidth=2.2, label="loss on rows held out")
    near = np.array([max(learned - 14, 0), learned + 14])
    axes.plot(
        near,
        loss - price * (near - learned),
        "--",
        color=PRICE,
        linewidth=1.6,
        label="the price: one hundredth of the loss for a dimension",
    )
    axes.axvspan(learned, dims[-1], color=MUTED, alpha=0.12, linewidth=0)
    axes.plot([learned], [loss], "o", color=INK, markersize=8, zorder=5)
    axes.annotate(
        f"{learned} dimensions are worth their price",
        (learned, loss),
        xytext=(learned + 3, loss + 0.2),
        arrowprops={"arrowstyle": "-", "color": INK},
        color=INK,
    )
    axes.text((learned + dims[-1]) / 2, 0.6, "these are cut out", color=MUTED, ha="center")
    axes.set(
        xlim=(1, dims[-1]), ylim=(0, 1), xlabel="dimensions", ylabel="loss (1 = nothing learned)"
    )
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="upper right")
    plt.savefig(FOLDER / "curve.svg", metadata={"Date": None})
    plt.savefig(FOLDER / "curve.png", dpi=110)
    print(f"{learned} dimensions, loss {loss:.3f}")


if __name__ == "__main__":
    main()
