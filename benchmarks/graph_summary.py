"""The results of `benchmarks.graph` in one line a data set, and what holds on how many of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.graph_rows import (
    ALL,
    CLEORA_ALL,
    CLEORA_LINKS,
    FULL,
    LABELS,
    LINKS,
    PCA_ALL,
    PCA_LABELS,
    PURPOSES,
    SVD_ALL,
    SVD_LABELS,
    SVD_LINKS,
    Row,
)
from benchmarks.results import Column

__all__ = ["SUMMARY_COLUMNS", "mean_of", "one_line", "tell", "verdicts"]

SUMMARY_COLUMNS = (
    Column("dataset", "Data set"),
    *(
        column
        for key, label in (("all", "all"), ("links", "links"), ("labels", "labels"))
        for column in (
            Column(f"{key}_dims", f"{label}: dims", 1),
            Column(f"{key}_accuracy", "accuracy"),
            Column(f"{key}_auc", "AUC"),
        )
    ),
    Column("svd_accuracy", "svd at all's dims: accuracy"),
    Column("svd_auc", "AUC"),
    Column("svd_labels_accuracy", "svd at labels' dims: accuracy"),
    Column("cleora_accuracy", "Cleora at all's dims: accuracy"),
    Column("cleora_auc", "AUC"),
    Column("cleora_links_auc", "Cleora at links' dims: AUC"),
    Column("cpu_s", "CPU s, all"),
)


def mean_of(document: Row, label: str, key: str) -> float | None:
    """The mean of a cell of a result; None where there is none.

    Examples
    --------
    >>> mean_of({"rows": [{"method": "a", "auc": {"mean": 0.5}}]}, "a", "auc")
    0.5
    """
    for row in document["rows"]:
        if row["method"] == label:
            cell = row.get(key)
            return cell["mean"] if isinstance(cell, Mapping) else cell
    return None


def one_line(name: str, document: Row) -> dict[str, Any]:
    """A data set in one row: what each purpose kept and has, beside svd and Cleora."""
    row: dict[str, Any] = {"dataset": name}
    for purpose, label in zip(PURPOSES, (ALL, LINKS, LABELS), strict=True):
        for key in ("dims", "accuracy", "auc"):
            row[f"{purpose}_{key}"] = mean_of(document, label, key)
    for short, label in (("svd", SVD_ALL), ("cleora", CLEORA_ALL)):
        for key in ("accuracy", "auc"):
            row[f"{short}_{key}"] = mean_of(document, label, key)
    row["svd_labels_accuracy"] = mean_of(document, SVD_LABELS, "accuracy")
    row["cleora_links_auc"] = mean_of(document, CLEORA_LINKS, "auc")
    row["cpu_s"] = mean_of(document, ALL, "cpu_s")
    return row


@dataclass(frozen=True)
class _Claim:
    """Ours is not below theirs by more than a margin."""

    ours: str
    theirs: str
    measure: str
    margin: float


_CLAIMS = (
    _Claim(LINKS, CLEORA_LINKS, "auc", 0.0),
    _Claim(ALL, LINKS, "auc", 0.03),
    _Claim(ALL, SVD_ALL, "accuracy", 0.003),
    _Claim(ALL, SVD_ALL, "auc", 0.003),
    _Claim(LINKS, SVD_LINKS, "auc", 0.003),
    _Claim(LABELS, SVD_LABELS, "accuracy", 0.003),
    _Claim(ALL, PCA_ALL, "accuracy", 0.005),
    _Claim(ALL, PCA_ALL, "auc", 0.005),
    _Claim(LABELS, PCA_LABELS, "accuracy", 0.005),
    _Claim(ALL, FULL["all"], "accuracy", 0.01),
    _Claim(ALL, FULL["all"], "auc", 0.01),
    _Claim(LINKS, FULL["links"], "auc", 0.01),
    _Claim(LABELS, FULL["labels"], "accuracy", 0.01),
)
_NAMES = {"accuracy": "Accuracy", "auc": "AUC"}


def verdicts(documents: Mapping[str, Row]) -> list[str]:
    """Which claims hold on which data sets, a sentence each.

    Parameters
    ----------
    documents : mapping of str to result
        By data set.

    Returns
    -------
    list of str
        Claims that nothing was measured for are left out.

    Examples
    --------
    >>> rows = [{"method": ALL, "auc": 0.9}, {"method": LINKS, "auc": 0.95}]
    >>> print(verdicts({"cora": {"rows": rows}})[0])
    AUC of damrep --for all beside damrep --for links: lower by .03 at most on 0 of 1,
    higher by .005 on 0; lower: cora (-0.050).
    """
    sentences = (_judged(claim, documents) for claim in _CLAIMS)
    return [sentence for sentence in sentences if sentence is not None]


def _judged(claim: _Claim, documents: Mapping[str, Row]) -> str | None:
    differences = {}
    for name, document in documents.items():
        ours, theirs = (mean_of(document, x, claim.measure) for x in (claim.ours, claim.theirs))
        differences[name] = [] if ours is None or theirs is None else [ours - theirs]
    return tell(
        f"{_NAMES[claim.measure]} of {claim.ours} beside {claim.theirs}", differences, claim.margin
    )


def tell(
    what: str,
    differences: Mapping[str, Sequence[float]],
    margin: float,
    higher: float = 0.005,
) -> str | None:
    """One sentence on how many data sets ours is not lower on, and on how many it is higher.

    Parameters
    ----------
    what : str
        The sentence's beginning.
    differences : mapping of str to sequence of float
        By data set, ours less theirs; several where several widths were measured. None may be
        lower, one has to be higher.
    margin, higher : float
        By how much ours may be lower, and from where on it counts as higher.

    Returns
    -------
    str or None
        None where nothing is known.

    Examples
    --------
    >>> tell("AUC", {"a": [0.1], "b": [-0.2, 0.0]}, 0.01)
    'AUC: lower by .01 at most on 1 of 2, higher by .005 on 1; lower: b (-0.200).'
    """
    worst = {name: min(found) for name, found in differences.items() if found}
    if not worst:
        return None
    # Rounding of a mean must not decide.
    lower = {name: less for name, less in worst.items() if less < -margin - 1e-9}
    gains = sum(max(differences[name]) >= higher - 1e-9 for name in worst)
    allowed = f"lower by {_short(margin)} at most" if margin else "not lower"
    said = f"{what}: {allowed} on {len(worst) - len(lower)} of {len(worst)}"
    said += f", higher by {_short(higher)} on {gains}"
    listed = ", ".join(f"{name} ({less:+.3f})" for name, less in lower.items())
    return f"{said}; lower: {listed}." if lower else f"{said}."


def _short(number: float) -> str:
    return f"{number:g}".removeprefix("0")
