"""What the first codes lose for links and for labels."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import log_loss
from sklearn.model_selection import LeaveOneOut, cross_val_predict

from damrep.graph.losses import label_losses, link_losses, losses_elsewhere


def test_the_link_loss_is_that_of_a_logistic_regression_on_the_cosine() -> None:
    draw = torch.Generator().manual_seed(0)
    one = torch.randn(300, 3, generator=draw)
    linked = torch.arange(300) < 150
    other = torch.where(linked[:, None], one + torch.randn(300, 3, generator=draw), one.flip(0))
    found = link_losses(one, other, linked).mean(dim=0)
    for m in (1, 2, 3):
        cosine = torch.cosine_similarity(one[:, :m], other[:, :m], dim=1).numpy()[:, None]
        cosine = (cosine - cosine.mean()) / cosine.std()
        model = LogisticRegression(C=1 / (1e-3 * 300)).fit(cosine, linked.numpy())
        expected = log_loss(linked.numpy(), model.predict_proba(cosine)[:, 1]) / math.log(2)
        assert found[m - 1] == pytest.approx(expected, abs=2e-3)


def test_codes_that_tell_nothing_lose_all() -> None:
    draw = torch.Generator().manual_seed(1)
    one, other = torch.randn(2, 4000, 5, generator=draw)
    linked = torch.arange(4000) < 2000
    assert link_losses(one, other, linked).mean(dim=0) == pytest.approx(1.0, abs=0.01)
    classes = torch.nn.functional.one_hot(torch.arange(4000) % 3, 3)
    assert label_losses(one, classes).mean(dim=0) == pytest.approx(1.0, abs=0.01)


def test_pairs_told_for_certain_have_a_finite_loss() -> None:
    one = torch.ones(20, 2)
    other = torch.where(torch.arange(20)[:, None] < 10, 1.0, -1.0) * one
    found = link_losses(one, other, torch.arange(20) < 10)
    assert torch.isfinite(found).all()
    assert (found.mean(dim=0) < 0.05).all()


def left_out(codes: np.ndarray, classes: np.ndarray, ridge: float) -> float:
    """Leaving one out by scikit-learn, as a share of what the frequencies of the others lose."""
    told = cross_val_predict(Ridge(ridge), codes, classes, cv=LeaveOneOut())
    trivial = cross_val_predict(Ridge(1.0), codes * 0, classes, cv=LeaveOneOut())
    return float(np.square(told - classes).sum() / np.square(trivial - classes).sum())


def test_the_label_loss_is_that_of_leaving_one_out() -> None:
    """Of ridge regression, at the best ridge of four."""
    draw = np.random.default_rng(0)
    codes = draw.normal(size=(40, 4))
    labels = (codes[:, 0] + 0.5 * draw.normal(size=40) > 0).astype(int)
    classes = np.eye(2)[labels]
    found = label_losses(torch.from_numpy(codes), torch.from_numpy(classes)).mean(dim=0)
    size = np.square(codes - codes.mean(axis=0)).sum(axis=1).mean()
    for m in (1, 2, 4):
        # The centre of the other 39 is not that of all 40, which the closed form leaves aside.
        ridges = [share * size for share in (0.01, 0.1, 1.0, 10.0)]
        expected = min(left_out(codes[:, :m], classes, ridge) for ridge in ridges)
        assert float(found[m - 1]) == pytest.approx(expected, rel=1e-2)


def test_the_loss_elsewhere_is_that_of_a_ridge_regression() -> None:
    draw = np.random.default_rng(1)
    codes, others = draw.normal(size=(50, 5)), draw.normal(size=(30, 5))
    weights = draw.normal(size=5)
    y, truth = (np.eye(2)[(rows @ weights > 0).astype(int)] for rows in (codes, others))
    found = losses_elsewhere(*(torch.from_numpy(part) for part in (codes, y, others, truth)))
    size = np.square(codes - codes.mean(axis=0)).sum(axis=1).mean()
    trivial = np.square(truth - y.mean(axis=0)).sum()
    for m in (1, 3, 5):
        fits = [Ridge(share * size).fit(codes[:, :m], y) for share in (0.01, 0.1, 1.0, 10.0)]
        expected = min(np.square(fit.predict(others[:, :m]) - truth).sum() for fit in fits)
        assert float(found.mean(dim=0)[m - 1]) == pytest.approx(expected / trivial, rel=1e-9)


def test_more_codes_than_labels_lose_no_more_than_all() -> None:
    codes = torch.randn(10, 50, generator=torch.Generator().manual_seed(0))
    found = label_losses(codes, torch.eye(2)[torch.arange(10) % 2])
    assert found.shape == (10, 50)
    assert float(found.mean(dim=0).max()) < 1.5


def test_codes_all_alike_lose_all() -> None:
    classes = torch.eye(2)[torch.arange(10) % 2]
    assert label_losses(torch.ones(10, 3), classes).mean(dim=0) == pytest.approx(1.0)
