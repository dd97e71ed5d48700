from __future__ import annotations

import numpy as np
import pytest
import torch

from damrep.autoencoder.linear import principal_axes, projection_errors, projection_losses
from damrep.autoencoder.network import AutoencoderNetwork
from damrep.autoencoder.prefixes import prefix_errors, prefix_losses
from damrep.autoencoder.rows import Rows, measure_columns
from damrep.training import local_seed
from tests.autoencoder.samples import curved

TABLE = curved()


def rows() -> Rows:
    return Rows(TABLE, *measure_columns(TABLE))


def network() -> AutoencoderNetwork:
    with local_seed(0):
        return AutoencoderNetwork(8, (16,), 5)


def test_they_are_those_of_reconstruction() -> None:
    model, x = network(), torch.cat(list(rows().blocks()))
    with torch.no_grad():
        for m, loss in zip((1, 5), prefix_losses(model, rows(), [1, 5]), strict=True):
            left = (model(x, m) - x).square().sum() / x.square().sum()
            assert loss == pytest.approx(float(left), rel=1e-5)


def test_of_a_network_that_begins_as_pca_they_are_those_of_pca() -> None:
    model, axes = network(), principal_axes(rows(), 5, seed=0)
    model.start_linear(axes)
    expected = projection_losses(rows(), axes)
    assert prefix_losses(model, rows(), range(1, 6)) == pytest.approx(expected, abs=1e-5)


def test_where_there_is_nothing_to_tell_nothing_is_lost() -> None:
    flat = Rows(np.zeros((3, 8), np.float32), np.zeros(8), 1.0)
    assert prefix_losses(network(), flat, [1, 2]) == [0.0, 0.0]


def test_losses_are_the_means_of_the_rows() -> None:
    model = network()
    expected = prefix_losses(model, rows(), [1, 4])
    found = prefix_errors(model, rows(), [1, 4]).mean(axis=0)
    assert found == pytest.approx(expected, rel=1e-4)
    axes = principal_axes(rows(), 5, seed=0)
    expected = projection_losses(rows(), axes)
    found = projection_errors(rows(), axes).mean(axis=0)
    assert found == pytest.approx(expected, rel=1e-4)
