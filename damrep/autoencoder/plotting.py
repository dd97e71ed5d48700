"""The curve of a fit as a figure: what each number of dimensions costs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from damrep.training.scikit_learn import check_is_fitted

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from damrep.autoencoder.estimator import DAMAutoencoder

__all__ = ["plot_components_curve"]

# Wider than this, equal steps of a log axis tell more: most of the loss goes with the first ones.
_LOG_FROM = 40


def plot_components_curve(est: DAMAutoencoder, ax: Axes | None = None) -> Axes:
    """Draw held-out loss against dimensions, the learned width, and the price it was found with.

    The line "of its own width" is what each number of dimensions can do (`components_curve_`), the
    line "first dimensions" what the first of those learned can do (`prefix_curve_`): how much
    is lost if fewer of them are used. Where a price decided, the dashed line is the bargain: along
    it a dimension takes away exactly its price.

    Parameters
    ----------
    est : DAMAutoencoder
        Fitted.
    ax : matplotlib Axes, optional
        A new figure if not given.

    Returns
    -------
    Axes

    Raises
    ------
    NotFittedError
        Before `fit`.

    Examples
    --------
    >>> from damrep.autoencoder.estimator import DAMAutoencoder
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(100, 3)) @ rng.normal(size=(3, 8))
    >>> ax = plot_components_curve(DAMAutoencoder(hidden=(), random_state=0).fit(X))
    >>> ax.get_ylabel()
    'held-out loss (1 = nothing learned)'
    """
    check_is_fitted(est, "components_curve_")
    import matplotlib.pyplot as plt
    from matplotlib.ticker import MaxNLocator

    from damrep.reporting.svg import ACCENT, INK, MUTED, PALE, PRICE

    if ax is None:
        _, ax = plt.subplots()
    dims, losses = est.components_curve_.T
    prefix = est.prefix_curve_
    learned = est.n_components_
    loss = float(np.interp(learned, dims, losses))
    marker: Any = "o" if len(dims) <= 30 else ""
    log = bool(dims[-1] > _LOG_FROM)
    price = est.report_.price
    if price is not None:
        across = np.geomspace(max(dims[0], 1), dims[-1], 400) if log else dims[[0, -1]]
        bargain = loss - price * (across - learned)
        ax.plot(across, bargain, "--", color=PRICE, linewidth=1.5, label=f"price {price:g} each")
    ax.plot(dims, losses, color=ACCENT, marker=marker, markersize=4, label="of its own width")
    ax.plot(
        *prefix.T, ":", color=MUTED, linewidth=1.8, label=f"first dimensions of the {learned}"
    )  # fmt: skip
    ax.axvline(learned, color=PALE, linewidth=1, zorder=0)
    # At the learned width the model itself, which has been trained on after the search.
    own = float(prefix[-1, 1])
    label = f"{learned} learned: {own:.3f}"
    ax.plot([learned], [own], "o", color=INK, markersize=8, label=label)
    top = max(losses.max(), prefix[:, 1].max())
    ax.set_ylim(0, top * 1.05 if top > 0 else 1)
    if log:
        ax.set_xscale("log", base=2)
        ax.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    else:
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_xlabel("dimensions")
    ax.set_ylabel("held-out loss (1 = nothing learned)")
    ax.legend(frameon=False)
    return ax
