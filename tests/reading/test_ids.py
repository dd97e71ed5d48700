"""Ids of rows: what they are taken for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from damrep.reading.ids import only_count


@pytest.mark.parametrize(
    ("ids", "counts"),
    [([0, 1, 2], True), ([3, 1, 2], True), ([2, 3], False), ([0, 2], False), (["0", "1"], False)],
)
def test_ids_that_only_count(ids: list[Any], counts: bool) -> None:
    kind = object if isinstance(ids[0], str) else np.int64
    assert only_count(np.array(ids, dtype=kind)) == counts
