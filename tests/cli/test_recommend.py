"""`damrep recommend`: a table for a few users, a file for many."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from damrep.cli import recommend
from damrep.recommend import interactions
from damrep.recommend.explicit import DAMExplicitMF
from damrep.training import save_folder
from tests.cli.conftest import Run, tree
from tests.cli.test_bad_input import _refused
from tests.recommend.samples import as_frame, tastes


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A model of strings in an output folder, one of integers alone."""
    folder = tmp_path_factory.mktemp("models")
    quick = {"max_components": 4, "max_sweeps": 5, "random_state": 0}
    table = as_frame(tastes(30, 20))
    plain = DAMExplicitMF(**quick).fit(table)
    table = table.assign(user="u" + table["user"].astype(str), item="i" + table["item"].astype(str))
    named = DAMExplicitMF(**quick).fit(table)
    named.save(folder / "named" / "model")
    plain.save(folder / "plain")
    return {"NAMED": folder / "named", "PLAIN": folder / "plain", "named": named, "plain": plain}


def test_a_table_for_a_user(run: Run, models: dict[str, Any]) -> None:
    result = run("recommend", models["NAMED"], "--user", "u3", "--n", 4)
    assert result.exit_code == 0, result.stderr
    ids, scores = models["named"].recommend("u3", 4)
    lines = [line.split() for line in result.stdout.splitlines()]
    assert lines[0] == ["user", "item", "score"]
    assert lines[1] == ["u3", ids[0], f"{scores[0]:.3f}"]
    assert [line[0] for line in lines[2:]] == list(ids[1:])


def test_several_users_of_a_model_folder(run: Run, models: dict[str, Any]) -> None:
    result = run("recommend", models["PLAIN"], "--user", 3, "--user", 0, "--n", 1, "--with-seen")
    assert result.exit_code == 0, result.stderr
    ids, _ = models["plain"].recommend([3, 0], 1, filter_seen=False)
    shown = [line.split()[:2] for line in result.stdout.splitlines()[1:]]
    assert shown == [["3", str(ids[0, 0])], ["0", str(ids[1, 0])]]


@pytest.mark.parametrize("ending", ["csv", "parquet"])
@pytest.mark.parametrize("kind", ["NAMED", "PLAIN"])
def test_a_file_for_all(
    kind: str, ending: str, run: Run, models: dict[str, Any], tmp_path: Path
) -> None:
    model = models[kind.lower()]
    for _ in range(2):  # the second replaces the first
        result = run("recommend", models[kind], "--n", 15, "--out", f"r.{ending}")
        assert result.exit_code == 0, result.stderr
    path = tmp_path / f"r.{ending}"
    table = pd.read_csv(path) if ending == "csv" else pd.read_parquet(path)
    assert list(table.columns) == ["user", "rank", "item", "score"]
    ids, scores = model.recommend(None, 15)
    there = scores > -np.inf
    assert there.sum() < there.size, "some users have fewer items left"
    assert table["item"].tolist() == ids[there].tolist()
    assert table["user"].tolist() == np.repeat(model.user_ids_, there.sum(axis=1)).tolist()
    assert table.groupby("user")["rank"].max().max() <= 15 and table["rank"].min() == 1
    np.testing.assert_allclose(table["score"], scores[there], rtol=1e-5)
    assert result.stdout == f"{int(there.sum())} items for 30 users, in r.{ending}\n"
    assert [entry.name for entry in tmp_path.iterdir()] == [f"r.{ending}"]


def test_who_has_seen_everything(run: Run, tmp_path: Path) -> None:
    matrix = tastes(10, 8, density=0.5).tolil()
    matrix[0] = 3.0
    model = DAMExplicitMF(max_components=2, random_state=0).fit(matrix)
    model.save(tmp_path / "model")
    result = run("recommend", "model", "--user", 0)
    assert result.exit_code == 0 and "(none left)" in result.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["gone", "--user", "1"], ["gone", "no model folder"]),
        (["NAMED"], ["give --user, --new, or --out for all users"]),
        (["NAMED", "--user", "zoe"], ["unknown id 'zoe'", "known are 30 such as 'u0'"]),
        (["PLAIN", "--user", "zoe"], ["ids of users in", "are integers, got 'zoe'"]),
        (["PLAIN", "--user", "99"], ["unknown id 99"]),
        (["PLAIN", "--user", "99999999999999999999"], ["are integers that fit 64 bits"]),
        (["NAMED", "--user", "u1", "--n", "0"], ["--n", "0"]),
        (["NAMED", "--out", "r.txt"], ["r.txt: unknown ending; known are .parquet, .csv"]),
        (["NAMED", "--out", "."], ["unknown ending"]),
        (["NAMED", "--out", "mine.csv"], ["mine.csv exists and holds no recommendations"]),
        (["NAMED", "--out", "mine.parquet"], ["holds no recommendations"]),
        (["other", "--user", "1"], ["holds a 'something-else', expected a recommender"]),
    ],
)
def test_what_is_refused(
    words: list[str], said: list[str], run: Run, models: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "mine.csv").write_text("user,rank\n1,2\n")
    pd.DataFrame({"a": [1]}).to_parquet(tmp_path / "mine.parquet")
    save_folder(tmp_path / "other", "something-else", {}, {})
    before = tree(tmp_path)
    _refused(run("recommend", *(models.get(word, word) for word in words)), *said)
    assert tree(tmp_path) == before


def _newcomers(models: dict[str, Any]) -> pd.DataFrame:
    items = list(models["named"].item_ids_)
    rows = [("ann", items[0], 5.0), ("ann", items[1], 1.0), ("bo", items[2], 4.0)]
    return pd.DataFrame(rows, columns=["who", "film", "stars"])


_COLUMNS = ("--user-column", "who", "--item-column", "film", "--rating-column", "stars")


def test_users_of_a_file_are_folded_in(run: Run, models: dict[str, Any], tmp_path: Path) -> None:
    table = _newcomers(models)
    table.to_csv(tmp_path / "new.csv", index=False)
    result = run("recommend", models["NAMED"], "--new", "new.csv", *_COLUMNS, "--n", 3)
    assert result.exit_code == 0, result.stderr
    renamed = table.set_axis(["user", "item", "rating"], axis=1)
    model = models["named"]
    ids, _ = model.recommend(model.fold_in(renamed), 3)
    lines = [line.split() for line in result.stdout.splitlines()[1:]]
    assert [line[-2] for line in lines] == [str(item) for row in ids for item in row]
    assert [line[0] for line in lines if len(line) == 3] == ["ann", "bo"]
    assert not set(ids[0]) & set(table["film"][:2])


def test_one_user_of_a_file(run: Run, models: dict[str, Any], tmp_path: Path) -> None:
    _newcomers(models).to_csv(tmp_path / "new.csv", index=False)
    result = run("recommend", models["NAMED"], "--new", "new.csv", *_COLUMNS, "--user", "bo")
    assert result.exit_code == 0, result.stderr
    assert "bo" in result.stdout and "ann" not in result.stdout


def test_items_of_a_file_that_the_model_does_not_know(
    run: Run, models: dict[str, Any], tmp_path: Path
) -> None:
    table = _newcomers(models)
    more = pd.DataFrame({"who": ["ann", "cy"], "film": ["new", "newer"], "stars": [3.0, 4.0]})
    pd.concat([table, more]).to_csv(tmp_path / "new.csv", index=False)
    words = ["recommend", models["NAMED"], "--new", "new.csv", *_COLUMNS, "--n", 2]
    _refused(run(*words), "new.csv: column 'item': unknown id 'new' and 1 more", "--unknown skip")
    result = run(*words, "--unknown", "skip")
    assert result.exit_code == 0, result.stderr
    assert result.stderr == (
        "read: 5 ratings\nnote: new.csv: 2 rows left out: column 'item': unknown id 'new' and "
        "1 more of 5; known are 20 such as 'i0'\n"
    )
    lines = [line.split() for line in result.stdout.splitlines()[1:]]
    assert [line[0] for line in lines if len(line) == 3] == ["ann", "bo", "cy"]
    without = run("recommend", models["NAMED"], "--user", "u1", "--unknown", "skip")
    assert without.exit_code == 2 and "--unknown is for --new" in without.stderr


def test_columns_known_by_name_are_named(run: Run, models: dict[str, Any], tmp_path: Path) -> None:
    table = _newcomers(models).set_axis(["userId", "movieId", "rating"], axis=1)
    table.to_csv(tmp_path / "new.csv", index=False)
    result = run("recommend", models["NAMED"], "--new", "new.csv", "--n", 1)
    assert result.exit_code == 0, result.stderr
    assert "column 'movieId' was taken for the items" in result.stderr


def test_a_model_of_uuids(run: Run, tmp_path: Path) -> None:
    table = as_frame(tastes(12, 8))
    users, items = ([uuid.UUID(int=side * 10**30 + i) for i in range(12)] for side in (1, 2))
    table["user"], table["item"] = (
        [ids[place] for place in table[name]] for name, ids in (("user", users), ("item", items))
    )
    model = DAMExplicitMF(max_components=2, random_state=0).fit(table)
    model.save(tmp_path / "model")
    found = str(model.recommend(users[3], 1)[0][0])
    result = run("recommend", "model", "--user", users[3], "--n", 1)
    assert result.stdout.splitlines()[1].split()[:2] == [str(users[3]), found]
    for ending, read in (("csv", pd.read_csv), ("parquet", pd.read_parquet)):
        assert run("recommend", "model", "--n", 1, "--out", f"r.{ending}").exit_code == 0
        assert read(tmp_path / f"r.{ending}").query(f"user == '{users[3]}'")["item"].item() == found
    _refused(run("recommend", "model", "--user", "zoe"), "are UUIDs, got 'zoe'")


def test_the_choices_are_those_of_the_estimators() -> None:
    assert recommend.UNKNOWN == interactions.UNKNOWN


def test_a_user_the_file_does_not_have(run: Run, models: dict[str, Any], tmp_path: Path) -> None:
    _newcomers(models).to_csv(tmp_path / "new.csv", index=False)
    result = run("recommend", models["NAMED"], "--new", "new.csv", *_COLUMNS, "--user", "cy")
    _refused(result, "--user: new.csv has no user 'cy'")


def test_columns_without_a_file(run: Run, models: dict[str, Any]) -> None:
    result = run("recommend", models["NAMED"], "--user", "u1", "--item-column", "film")
    assert result.exit_code == 2
    assert "are for --new" in result.stderr
