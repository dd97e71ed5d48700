from __future__ import annotations

import pytest

from damrep.masking.validation import InputError
from damrep.training.stopping import EarlyStopping


def test_it_stops_after_patience_updates_without_improvement() -> None:
    stopper = EarlyStopping(patience=3)
    assert [stopper.update(x) for x in (3, 2, 2, 2.5, 1, 1, 1, 1)] == [False] * 7 + [True]


def test_an_improvement_has_to_be_larger_than_min_delta() -> None:
    stopper = EarlyStopping(patience=2, min_delta=0.1)
    assert [stopper.update(x) for x in (1.0, 0.95, 0.91)] == [False, False, True]


def test_a_restart_forgets_the_best() -> None:
    stopper = EarlyStopping(patience=2)
    assert [stopper.update(x) for x in (1.0, 2.0)] == [False, False]
    stopper.restart()
    assert [stopper.update(x) for x in (3.0, 2.9, 2.8)] == [False, False, False]


def test_no_patience_never_stops() -> None:
    stopper = EarlyStopping(patience=None)
    assert not any(stopper.update(1.0) for _ in range(50))
    with pytest.raises(InputError):
        EarlyStopping(patience=0)
