"""The figure of the curve says what the fitted model says."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from damrep.autoencoder.estimator import DAMAutoencoder
from damrep.autoencoder.plotting import plot_components_curve


def table(columns: int = 12, rank: int = 4) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.normal(size=(150, rank)) @ rng.normal(size=(rank, columns))


def lines(ax: plt.Axes) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Points of each line by its label."""
    return {
        str(line.get_label()): (np.asarray(line.get_xdata()), np.asarray(line.get_ydata()))
        for line in ax.lines
    }


@pytest.fixture(scope="module")
def model() -> DAMAutoencoder:
    return DAMAutoencoder(hidden=(), random_state=0).fit(table())


def test_the_two_curves_the_width_and_the_price(model: DAMAutoencoder) -> None:
    figure, ax = plt.subplots()
    try:
        assert plot_components_curve(model, ax) is ax
        drawn = lines(ax)
        np.testing.assert_array_equal(
            np.column_stack(drawn["of its own width"]), model.components_curve_
        )
        np.testing.assert_array_equal(
            np.column_stack(drawn["first dimensions of the 4"]), model.prefix_curve_
        )
        learned = next(points for label, points in drawn.items() if label.startswith("4 learned"))
        assert learned[0].tolist() == [4] and learned[1][0] == model.prefix_curve_[-1, 1]
        # The line of the price passes through the learned width and falls by the price each.
        dims, bargain = drawn["price 0.001 each"]
        np.testing.assert_allclose(np.diff(bargain) / np.diff(dims), -0.001)
        loss = dict(model.components_curve_.tolist())[4]
        np.testing.assert_allclose(np.interp(4, dims, bargain), loss, atol=1e-9)
        assert ax.get_legend() is not None and ax.get_xlabel() == "dimensions"
    finally:
        plt.close(figure)


def test_a_figure_of_its_own_where_none_is_given(model: DAMAutoencoder) -> None:
    before = plt.get_fignums()
    ax = plot_components_curve(model)
    assert len(plt.get_fignums()) == len(before) + 1
    plt.close(ax.figure)  # type: ignore[arg-type]


def test_without_a_price_there_is_no_line_of_it() -> None:
    figure, ax = plt.subplots()
    plot_components_curve(
        DAMAutoencoder(n_components=2, hidden=(), random_state=0).fit(table()), ax
    )
    assert not any("price" in label for label in lines(ax))
    plt.close(figure)


def test_many_dimensions_on_a_log_axis() -> None:
    figure, ax = plt.subplots()
    plot_components_curve(DAMAutoencoder(hidden=(), random_state=0).fit(table(60, 50)), ax)
    assert ax.get_xscale() == "log"
    figure.canvas.draw()  # ticks are made here
    plt.close(figure)


def test_before_fit() -> None:
    with pytest.raises(NotFittedError):
        plot_components_curve(DAMAutoencoder())
