from __future__ import annotations

import pytest

from benchmarks.seeds import Spread, over_seeds


def test_mean_and_sample_deviation_by_hand() -> None:
    # Deviations from 5 are -3, -1, -1, 5; squares 9 + 1 + 1 + 25 = 36; 36 / 3 = 12.
    spread = Spread((2.0, 4.0, 4.0, 10.0))
    assert spread.mean == 5.0
    assert spread.std == pytest.approx(12**0.5)
    assert spread.to_dict() == {
        "mean": 5.0,
        "std": spread.std,
        "n": 4,
        "values": [2.0, 4.0, 4.0, 10.0],
    }


def test_one_seed_has_no_deviation() -> None:
    assert Spread((3.0,)).std is None


def test_every_number_is_followed_over_the_seeds_in_their_order() -> None:
    seen: list[int] = []

    def run(seed: int) -> dict[str, float]:
        seen.append(seed)
        return {"accuracy": seed / 10, "dims": 2}

    columns = over_seeds(run, [3, 1])
    assert seen == [3, 1]
    assert columns == {"accuracy": Spread((0.3, 0.1)), "dims": Spread((2.0, 2.0))}


def test_a_name_that_comes_and_goes_is_refused() -> None:
    with pytest.raises(ValueError, match=r"seed 1 gave \['b'\], seed 0 gave \['a'\]"):
        over_seeds(lambda seed: {"ab"[seed]: 1.0}, [0, 1])


@pytest.mark.parametrize(
    ("seeds", "message"), [([], "no seeds given"), ([1, 1], "a seed was given twice")]
)
def test_useless_seeds_are_refused(seeds: list[int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        over_seeds(lambda seed: {"a": 1.0}, seeds)


def test_a_number_that_is_not_finite_is_refused() -> None:
    with pytest.raises(ValueError, match="must be finite"):
        over_seeds(lambda seed: {"a": float("nan")}, [0])
