"""The page: it stands alone, it says what the report says, and nothing in it can run."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest

from damrep.masking.report import FitReport
from damrep.masking.validation import InputError
from damrep.reporting.page import render_page

HOSTILE = "<script>alert(1)</script>\"'>&{{ 7*7 }}$\\frac"


class Page(HTMLParser):
    """Elements, attributes and text; fails on elements left open."""

    VOID = {"meta", "br", "link", "img", "input", "hr"}

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open.pop() == tag, tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def report(**changes: Any) -> FitReport:
    fields: dict[str, Any] = {
        "estimator": "DAMGraphEmbedding",
        "initial_dims": 16,
        "learned_dims": 3,
        "price": 0.01,
        "strategy": "search",
        "objective": "ggd",
        "curve": [[m, 1 / (1 + m) ** 2] for m in range(1, 17)],
        "gate": [0.9, 0.6, 0.3] + [0.0] * 13,
        "loss": 0.0625,
        "reference_loss": 0.693,
        "seconds": 12.5,
        "cpu_seconds": 11.25,
        "seed": 7,
        "measures": [
            {"name": "learned", "dims": 3, "accuracy": 0.83, "auc": None, "ap": None},
            {"name": "full width", "dims": 16, "accuracy": 0.84, "auc": None, "ap": None},
        ],
        "details": {
            "data": {"name": "club", "nodes": 30, "edges": 78, "features": 0},
            "evaluation": {"probe": {"split": "given", "train": 140}},
            "provenance": {"command": "damrep fit-embedding club", "versions": {"torch": "2.13"}},
        },
    }
    return FitReport(**{**fields, **changes})


@pytest.fixture
def z() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(30, 3)).astype(np.float32)


def test_it_says_what_the_report_says(z: np.ndarray) -> None:
    text = Page(render_page(report(), z, row_notes={"full width": "before the cut"})).text
    for words in (
        "club: 3 of 16 dimensions",
        "30 nodes, 78 edges; objective ggd, strategy search",
        "The price is 1 %",
        "Dimension 3 took away 4.86 % of the loss.",
        "Dimension 4 would have taken away 2.25 % more.",
        "With 3 dimensions, beside all 16: accuracy is 0.830 (0.010 less).",
        "before the cut",
        "13 gates of 16 are closed",
        "12.5 s (11.2 s of processor)",
        "damrep fit-embedding club",
        "versions: torch 2.13",
        "probe: train 140",
        "seed 7",
    ):
        assert words in text


def test_nothing_is_fetched_and_nothing_runs(z: np.ndarray) -> None:
    html = render_page(report(), z, np.arange(30) % 2, ["a", "b"])
    page = Page(html)
    assert {tag for tag, _ in page.elements} & {
        "script",
        "link",
        "iframe",
        "img",
        "object",
    } == set()
    for _, attributes in page.elements:
        for name, value in attributes.items():
            assert not name.startswith("on")
            if name in ("src", "href", "xlink:href"):
                assert value is not None and value.startswith(("#", "data:image/png;base64,"))
    assert "@import" not in html and not re.search(r"url\((?!#)", html)
    policy = next(a["content"] for tag, a in page.elements if a.get("http-equiv"))
    assert policy is not None and policy.startswith("default-src 'none'")


def test_the_same_again(z: np.ndarray, global_rng_untouched: None) -> None:
    labels = np.arange(30) % 3
    assert render_page(report(), z, labels) == render_page(report(), z, labels)


def test_every_id_is_there_once(z: np.ndarray) -> None:
    ids = [a["id"] for _, a in Page(render_page(report(), z)).elements if "id" in a]
    assert len(ids) == len(set(ids)) > 0


def test_hostile_names_are_only_text(z: np.ndarray) -> None:
    hostile = report(
        estimator=HOSTILE,
        objective=HOSTILE,
        warnings=[HOSTILE],
        measures=[{"name": HOSTILE, "dims": 3, HOSTILE: 0.5}],
        details={"data": {"name": HOSTILE}, HOSTILE: {HOSTILE: HOSTILE}},
    )
    ids = np.array([f"{HOSTILE}{i}" for i in range(30)], dtype=object)
    for few in (30, 3):
        html = render_page(
            hostile, z[:few], np.arange(few) % 2, [HOSTILE, "\x00\x1b[31m\ud800\n"], ids[:few],
            row_notes={HOSTILE: HOSTILE},
        )  # fmt: skip
        page = Page(html)
        assert "script" not in {tag for tag, _ in page.elements}
        assert "\x00" not in html and "\x1b" not in html
        html.encode("utf-8")
        assert "{{ 7*7 }}" in page.text


@pytest.mark.parametrize("dims", [1, 2, 3, 40])
@pytest.mark.parametrize("labelled", [True, False])
def test_any_width_with_labels_and_without(dims: int, labelled: bool) -> None:
    z = np.random.default_rng(1).normal(size=(25, dims))
    labels = np.arange(25) % 4 - 1 if labelled else None
    page = Page(render_page(report(initial_dims=64, learned_dims=dims), z, labels))
    assert sum(tag == "svg" for tag, _ in page.elements) == 3
    assert ("Colour is the class" in page.text) == labelled
    words = {1: "has one dimension", 2: "two dimensions of the embedding"}
    assert words.get(dims, "first two principal components") in page.text
    assert ("third principal component" in page.text) == (dims > 2 and not labelled)


def test_a_budget_has_no_price_and_maybe_no_curve(z: np.ndarray) -> None:
    text = Page(render_page(report(price=None), z)).text
    assert "no price decided" in text and "The price is" not in text and "dashed" not in text
    bare = Page(render_page(report(price=None, curve=[], gate=[]), z))
    assert "no curve" in bare.text
    assert sum(tag == "svg" for tag, _ in bare.elements) == 1


def test_a_report_of_next_to_nothing(z: np.ndarray) -> None:
    text = Page(render_page(FitReport("E", 8, 3), z)).text
    assert "E: 3 of 8 dimensions" in text
    assert "None" not in text and "nan" not in text


def test_what_was_not_measured_is_a_dash(z: np.ndarray) -> None:
    rows = [
        {"name": "learned", "dims": 3, "accuracy": float("nan"), "auc": 0.9},
        {"name": "full width", "dims": 16, "accuracy": 0.8, "auc": None},
    ]
    text = Page(render_page(report(measures=rows), z)).text
    assert "learned 3 – 0.900" in text and "full width 16 0.800 –" in text
    assert "nan" not in text and "None" not in text


def test_a_width_that_is_not_the_best_bargain_is_not_called_so(z: np.ndarray) -> None:
    best = Page(render_page(report(price=0.03), z)).text
    other = Page(render_page(report(price=0.03, learned_dims=9), z)).text
    assert "too dear" in best and "too dear" not in other
    assert "better bargain" in other


def test_a_million_rows_are_drawn_as_a_sample() -> None:
    z = np.random.default_rng(0).normal(size=(1_000_000, 3)).astype(np.float32)
    labels = np.arange(1_000_000) % 5
    html = render_page(report(), z, labels, None, np.arange(1_000_000))
    assert len(html) < 2_000_000
    text = Page(html).text
    assert "20,000 of 1,000,000 nodes are drawn" in text
    assert "0 200,000" in text  # classes are counted over all of them


def test_records_are_a_row_each(z: np.ndarray) -> None:
    trials = [{"reg": 1 / 300, "n_tried": 1}, {"reg": 0.25, "n_tried": 2}]
    text = Page(render_page(report(details={"trials": trials}), z, title="ratings")).text
    assert "trials: 1 reg 0.00333333, n tried 1" in text
    assert "trials: 2 reg 0.25, n tried 2" in text


def test_another_kind_of_item(z: np.ndarray) -> None:
    text = Page(render_page(report(details={}), z, title="ratings", item="user")).text
    assert "ratings: 3 of 16 dimensions" in text
    assert "the users spread the most" in text


def test_a_table_has_rows_and_columns_and_its_measures_their_names(z: np.ndarray) -> None:
    rows = [
        {"name": "learned", "dims": 3, "loss": 0.02, "knn_accuracy": 0.9, "recall_at_10": 0.6,
         "bytes_per_million": 12_000_000},
        {"name": "full width", "dims": 16, "loss": 0.0, "knn_accuracy": 0.95, "recall_at_10": 1.0,
         "bytes_per_million": 64_000_000},
    ]  # fmt: skip
    details = {"data": {"name": "vectors", "rows": 30, "columns": 16}}
    html = render_page(report(measures=rows, details=details), z, item="row")
    text = Page(html).text
    assert "30 rows, 16 columns" in text and "node" not in text
    assert "dims held-out loss kNN accuracy recall@10 bytes a million rows" in text
    assert "recall@10 is 0.600 (0.400 less)" in text
    assert "bytes a million rows is 12,000,000 (52,000,000 less)" in text
    # Tiles: what is better the higher; the loss has one of its own.
    assert "0.900 kNN accuracy 0.950 at full width 0.600 recall@10" in text
    assert html.count('class="bar"') == 4


@pytest.mark.parametrize(
    ("z", "options", "said"),
    [
        (np.zeros(3), {}, "embedding"),
        (np.zeros((3, 0)), {}, "embedding"),
        (np.zeros((3, 2)), {"labels": np.zeros(4, int)}, "labels: got 4 for 3 rows"),
        (np.zeros((3, 2)), {"node_ids": ["a"]}, "node_ids: got 1 for 3 rows"),
    ],
)
def test_shapes_that_do_not_agree(z: np.ndarray, options: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        render_page(report(), z, **options)


@pytest.mark.parametrize(("spread", "how"), [(0.03, "no clear difference"), (0.01, "0.020 less")])
def test_a_difference_within_its_spread_is_none(spread: float, how: str) -> None:
    told = {"full width": {"difference": -0.02, "spread": spread}}
    shown = report(
        measures=[
            {"name": "learned", "dims": 3, "accuracy": 0.8, "accuracy_spread": 0.05},
            {"name": "full width", "dims": 16, "accuracy": 0.82, "accuracy_spread": 0.04},
        ],
        details={
            "evaluation": {
                "probe": {"how": "accuracy is the mean over 10 splits"},
                "differences": {"accuracy": told},
            }
        },
    )
    text = Page(render_page(shown, np.zeros((4, 3)))).text
    assert f"accuracy is 0.800 ({how})" in text
    assert "learned 3 0.800 ± 0.050 full width 16 0.820 ± 0.040" in text
    assert "± 0.050; 0.820 at full width" in text
    assert "accuracy is the mean over 10 splits." in text


@pytest.mark.parametrize(
    ("purpose", "price", "said"),
    [("labels", 0.01, "looked at to choose"), ("labels", None, "not learned from"),
     ("all", 0.01, "not learned from")],
)  # fmt: skip
def test_what_the_labels_were_used_for(
    z: np.ndarray, purpose: str, price: float | None, said: str
) -> None:
    report = FitReport("E", 8, z.shape[1], price=price, details={"purpose": purpose})
    labels = np.arange(len(z)) % 2
    assert f"The classes were {said}" in render_page(report, z, labels=labels)
