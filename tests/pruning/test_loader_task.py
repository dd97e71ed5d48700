"""Loaders of batches as a task, and the loss of the trivial predictor."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from damrep.masking.validation import InputError
from damrep.pruning.loader_task import (
    LoaderTask,
    ValidatedLoaderTask,
    constant_loss,
    split_batch,
)


def test_the_trivial_predictor_of_classes_knows_how_frequent_they_are() -> None:
    y = torch.tensor([0] * 6 + [1] * 3 + [2])
    entropy = -sum(p * math.log(p) for p in (0.6, 0.3, 0.1))
    found = constant_loss(torch.randn(10, 3), [y], nn.functional.cross_entropy)
    assert found == pytest.approx(entropy, rel=1e-4)


def test_the_trivial_predictor_of_numbers_is_their_mean() -> None:
    y = torch.tensor([[0.0, 1.0], [4.0, 1.0]])
    found = constant_loss(torch.zeros(2, 2), [y], nn.functional.mse_loss)
    assert found == pytest.approx(2.0, rel=1e-4)


def test_maps_of_classes_have_a_constant_output_too() -> None:
    y = torch.randint(0, 2, (3, 4, 4), generator=torch.Generator().manual_seed(0))
    share = float(y.double().mean())
    entropy = -share * math.log(share) - (1 - share) * math.log(1 - share)
    found = constant_loss(torch.zeros(3, 2, 4, 4), [y], nn.functional.cross_entropy)
    assert 0 < found <= entropy + 1e-6  # every place may have a constant of its own


def test_a_loss_that_a_constant_brings_to_nothing_has_no_reference() -> None:
    with pytest.raises(InputError, match="give reference_loss"):
        constant_loss(torch.zeros(2, 1), [torch.ones(2, 1)], lambda y, _: (y - y).sum())


def test_a_model_of_several_outputs_needs_to_be_told() -> None:
    with pytest.raises(InputError, match="give reference_loss"):
        constant_loss((torch.zeros(2),), [torch.zeros(2)], nn.functional.mse_loss)


@pytest.mark.parametrize("batch", [(1, 2, 3), ((1, 2), 3), [[1, 2], 3]])
def test_inputs_may_be_one_or_several(batch: object) -> None:
    assert split_batch(batch) == ((1, 2), 3)


def test_a_batch_without_a_target_is_refused() -> None:
    with pytest.raises(InputError, match="must give batches"):
        split_batch((torch.zeros(2),))
    with pytest.raises(InputError, match="got Tensor"):
        split_batch(torch.zeros(2))


def test_statistics_and_mode_stay_while_the_reference_is_found() -> None:
    model = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2)).train()
    before = model[1].running_mean.clone()
    x, y = torch.randn(8, 3), torch.tensor([0, 1] * 4)
    task = LoaderTask(model, [(x, y)], nn.functional.cross_entropy)
    assert torch.equal(model[1].running_mean, before)
    assert model.training
    assert task.reference_loss == pytest.approx(math.log(2), rel=1e-4)


def test_held_out_loss_is_a_mean_over_examples_not_batches() -> None:
    model = nn.Linear(1, 1)
    x = torch.arange(5.0)[:, None]
    y = 2 * x
    loader = DataLoader(TensorDataset(x, y), batch_size=4)
    task = ValidatedLoaderTask(model, loader, loader, nn.functional.mse_loss, reference_loss=2.0)
    with torch.no_grad():
        whole = float(nn.functional.mse_loss(model(x), y)) / 2
        assert task.validation_loss() == pytest.approx(whole, rel=1e-5)
    assert task.num_batches() == 2


def test_a_loader_without_a_length_is_refused() -> None:
    x, y = torch.zeros(2, 1), torch.zeros(2, 1)
    task = LoaderTask(nn.Linear(1, 1), iter([(x, y)]), nn.functional.mse_loss, reference_loss=1.0)
    with pytest.raises(InputError, match="no length"):
        task.num_batches()
