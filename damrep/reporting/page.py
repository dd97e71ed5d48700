"""A fit as one HTML page that needs nothing beside it: no script, no font, no picture to fetch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import jinja2
import numpy as np
from markupsafe import Markup

from damrep.masking.plain import to_plain
from damrep.masking.printing import counted, escaped
from damrep.masking.report import FitReport
from damrep.masking.validation import InputError
from damrep.reporting.curve_section import curve_section
from damrep.reporting.figures import gate_figure, shown_gates, way_figure
from damrep.reporting.plane import group_labels, plane_figure, project, sample_rows
from damrep.reporting.svg import clean_text, to_svg
from damrep.reporting.wording import (
    NOTHING,
    column_label,
    evaluation_lines,
    measure_columns,
    measured,
    number,
    share,
    time_text,
    worth_of_a_dimension,
)

__all__ = ["render_page"]

# Of 0 .. 1 and better the higher, so that a bar can stand for them.
_SHARES = {"accuracy", "auc", "ap", "f1", "r2"}


def render_page(
    report: FitReport,
    embedding: np.ndarray,
    labels: np.ndarray | None = None,
    label_names: Sequence[str] | None = None,
    node_ids: Sequence[Any] | np.ndarray | None = None,
    *,
    title: str | None = None,
    item: str = "node",
    row_notes: Mapping[str, str] | None = None,
) -> str:
    """One page: what was learned, the evidence for it, and how it was made.

    Parameters
    ----------
    report : FitReport
        Of its details, "data" (with "name"), "evaluation" and "provenance" have places of their
        own; the rest is listed.
    embedding : ndarray, shape (n, dims)
        Most important dimension first. At most 20,000 rows are drawn.
    labels : ndarray, optional
        (n,) class numbers with -1 for unknown, or (n, k) memberships.
    label_names : sequence of str, optional
    node_ids : sequence, optional
        Written into the picture where there are few.
    title : str, optional
        What was embedded; the data's name if not given.
    item : str
        What a row of the embedding is.
    row_notes : mapping, optional
        What each row of the measures is, by its name.

    Returns
    -------
    str
        HTML. The same arguments give the same text.

    Raises
    ------
    InputError
        If the shapes do not agree.
    """
    values = np.asarray(embedding)
    if values.ndim != 2 or values.shape[1] == 0:
        raise InputError(f"embedding: expected shape ({item}s, dims), got {values.shape}")
    for name, given in (("labels", labels), ("node_ids", node_ids)):
        if given is not None and len(given) != len(values):
            raise InputError(f"{name}: got {len(given)} for {len(values)} rows of the embedding")
    data = report.details.get("data") or {}
    name = clean_text(title or data.get("name") or report.estimator, 80)
    rest = {
        key: value
        for key, value in report.details.items()
        if key not in ("data", "evaluation", "provenance", "purpose", "purposes")
    }
    context = {
        "name": name,
        "report": report,
        "subtitle": _subtitle(report, data),
        "tiles": _tiles(report),
        "measures": _measures(report, row_notes or {}),
        "curve": curve_section(report),
        "gate": _gate(report),
        "plane": _plane(report, values, labels, label_names, node_ids, item),
        "price": None if report.price is None else share(report.price),
        "tables": [
            (heading, rows)
            for heading, rows in (
                ("The fit", _facts(report)),
                ("The data", _flat(data)),
                ("The evaluation", _flat(report.details.get("evaluation") or {})),
                ("Further details", _flat(rest)),
                ("The computation", _flat(report.details.get("provenance") or {})),
            )
            if rows
        ],
    }
    return _environment().get_template("page.html.j2").render(context)


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("damrep.reporting", "."),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        finalize=_readable,
    )
    environment.filters["counted"] = counted
    return environment


def _readable(value: Any) -> Any:
    """A text as the page shows it: a name cannot turn the line around it, or hide in it."""
    plain = isinstance(value, str) and not isinstance(value, Markup)
    return escaped(value, lines=True) if plain else value


def _subtitle(report: FitReport, data: Mapping[str, Any]) -> str:
    sizes = [
        counted(int(data[key]), noun)
        for key, noun in (
            ("nodes", "node"),
            ("edges", "edge"),
            ("samples", "sample"),
            ("features", "feature"),
            ("rows", "row"),
            ("columns", "column"),
            ("classes", "class"),
            ("users", "user"),
            ("items", "item"),
            ("ratings", "rating"),
            ("interactions", "interaction"),
        )
        if isinstance(data.get(key), int) and data[key] > 0
    ]
    names = (("objective", report.objective), ("strategy", report.strategy))
    how = ", ".join(f"{what} {value}" for what, value in names if value)
    return "; ".join(part for part in (", ".join(sizes), how) if part)


def _tiles(report: FitReport) -> list[dict[str, str]]:
    """The numbers a reader looks for first."""
    tiles = [
        {
            "value": number(report.learned_dims),
            "label": "dimension" if report.learned_dims == 1 else "dimensions",
            "note": f"of {report.initial_dims:,} it started from{report.as_good}",
        }
    ]
    if report.measures:
        first, wide = report.measures[0], _row(report, "full width")
        # The loss has a tile of its own, below.
        tiled = [column for column in measure_columns(report.measures) if column != "loss"]
        for column in tiled[:2]:
            if to_plain(first.get(column)) is None:
                continue
            # Beside the large figure there is no room for its spread.
            _, _, spread = measured(first, column).partition(" ± ")
            parts = [f"± {spread}"] if spread else []
            parts += [] if wide is None else [f"{number(wide.get(column))} at full width"]
            value, label = number(first[column]), column_label(column)
            tiles.append({"value": value, "label": label, "note": "; ".join(parts)})
    if to_plain(report.loss) is not None:
        tiles.append(
            {
                "value": number(report.loss),
                "label": "of the loss left",
                "note": "1 = nothing learned",
            }
        )
    if report.seconds is not None:
        cpu = report.cpu_seconds
        tiles.append(
            {
                "value": f"{report.seconds:,.1f} s",
                "label": "to fit",
                "note": "" if cpu is None else f"{cpu:,.1f} s of processor",
            }
        )
    return tiles


def _row(report: FitReport, name: str) -> Mapping[str, Any] | None:
    return next((row for row in report.measures if row.get("name") == name), None)


def _measures(report: FitReport, notes: Mapping[str, str]) -> dict[str, Any] | None:
    if not report.measures:
        return None
    columns = measure_columns(report.measures)
    rows = []
    for row in report.measures:
        cells = []
        for column in columns:
            value = to_plain(row.get(column))
            is_share = _is_share(column) and isinstance(value, float) and 0 <= value <= 1
            bar = f"{100 * value:.1f}" if is_share else None
            cells.append({"text": measured(row, column), "bar": bar})
        name = str(row.get("name", ""))
        rows.append(
            {
                "name": name,
                "note": notes.get(name, ""),
                "dims": number(row.get("dims")),
                "cells": cells,
            }
        )
    return {
        "columns": [column_label(column) for column in columns],
        "rows": rows,
        "sentence": _comparison(report, columns),
        "how": evaluation_lines(report),
    }


def _is_share(column: str) -> bool:
    """Whether a measure is a share: by its last word, or "recall" at some rank.

    Examples
    --------
    >>> _is_share("knn_accuracy"), _is_share("recall_at_10"), _is_share("loss")
    (True, True, False)
    """
    return column.rpartition("_")[2] in _SHARES or column.startswith("recall_at_")


def _comparison(report: FitReport, columns: Sequence[str]) -> str | None:
    """One sentence: the first row beside the full width."""
    wide, first = _row(report, "full width"), report.measures[0]
    if wide is None or wide is first:
        return None
    parts = []
    for column in columns:
        ours, theirs = to_plain(first.get(column)), to_plain(wide.get(column))
        if ours is None or theirs is None:
            continue
        counts = isinstance(ours, int) and isinstance(theirs, int)
        gap = ours - theirs if counts else round(float(ours), 3) - round(float(theirs), 3)
        size = f"{abs(gap):,}" if counts else f"{abs(gap):.3f}"
        how = f"{size} {'more' if gap > 0 else 'less'}" if abs(gap) > 5e-4 else "the same"
        if _by_chance(report, column):
            how = "no clear difference"
        parts.append(f"{column_label(column)} is {number(ours)} ({how})")
    if not parts:
        return None
    return (
        f"With {counted(report.learned_dims, 'dimension')}, beside all {number(wide.get('dims'))}: "
        f"{', '.join(parts)}."
    )


def _by_chance(report: FitReport, column: str) -> bool:
    """Whether what the full width has more or less is within the spread of that difference."""
    told = report.details.get("evaluation") or {}
    for key in ("differences", column, "full width"):
        told = told.get(key) if isinstance(told, Mapping) else None
    if not isinstance(told, Mapping) or to_plain(told.get("spread")) is None:
        return False
    return bool(abs(told["difference"]) <= told["spread"])


def _gate(report: FitReport) -> dict[str, Any] | None:
    if (figure := gate_figure(report.gate, report.learned_dims)) is None:
        return None
    way = way_figure(report.history, report.details.get("begins"))
    return {
        "way": way and Markup(to_svg(way, "way", "Where the mask stood while it was trained")),
        "svg": Markup(to_svg(figure, "gate", "The gate of each dimension")),
        "hidden": len(report.gate) - shown_gates(len(report.gate), report.learned_dims),
        "closed": max(0, len(report.gate) - report.learned_dims),
    }


def _plane(
    report: FitReport,
    embedding: np.ndarray,
    labels: np.ndarray | None,
    label_names: Sequence[str] | None,
    node_ids: Sequence[Any] | np.ndarray | None,
    item: str,
) -> dict[str, Any] | None:
    if len(embedding) == 0:
        return None
    rows = sample_rows(len(embedding))
    plane = project(embedding[rows])
    groups = group_labels(labels, label_names, rows)
    names = None if node_ids is None else np.asarray(node_ids, dtype=object)[rows].tolist()
    figure, outside = plane_figure(plane, groups, names)
    by_third = groups is None and plane.points.shape[1] > 2
    return {
        "svg": Markup(to_svg(figure, "plane", f"The {item}s in the plane")),
        "how": plane.how,
        "spread": share(math.floor(plane.spread * 1000) / 1000),
        "drawn": len(rows),
        "total": len(embedding),
        "outside": outside,
        "item": item,
        "groups": groups,
        "by_third": by_third,
    }


def _facts(report: FitReport) -> list[tuple[str, str]]:
    price = None if report.price is None else f"{report.price:g} of the loss a dimension"
    last, following = worth_of_a_dimension(report)
    facts = (
        ("estimator", report.estimator),
        ("dimensions", f"{report.learned_dims:,} of {report.initial_dims:,}"),
        ("price", price or "none: the number of dimensions was given"),
        ("objective", report.objective or None),
        ("strategy", report.strategy or None),
        ("share of the loss left", None if report.loss is None else number(report.loss, 4)),
        ("loss of knowing nothing", report.reference_loss),
        ("taken away by the last dimension", last),
        ("one more would take away", following),
        ("time", time_text(report)),
        ("seed", None if report.seed is None else str(report.seed)),
    )
    return [
        (name, value if isinstance(value, str) else number(value, 4))
        for name, value in facts
        if value is not None
    ]


def _flat(details: Mapping[str, Any], above: str = "") -> list[tuple[str, str]]:
    """Nested details as rows of a table."""
    rows: list[tuple[str, str]] = []
    for key, value in details.items():
        name = f"{above}{key}".replace("_", " ")
        if isinstance(value, list) and value and all(isinstance(one, Mapping) for one in value):
            # A record a row: what it holds stays together.
            for place, one in enumerate(value, start=1):
                cells = (f"{part.replace('_', ' ')} {_shown(it)}" for part, it in one.items())
                rows.append((f"{name}: {place}", ", ".join(cells)))
        elif isinstance(value, Mapping):
            rows += _flat(value, f"{name}: ")
        elif value is not None and value != [] and value != "":
            rows.append((name, _shown(value)))
    return rows


def _shown(value: Any) -> str:
    value = to_plain(value)
    if isinstance(value, list):
        text = ", ".join(_shown(entry) for entry in value[:12])
        return f"{text}, ... ({len(value)} in all)" if len(value) > 12 else text
    if isinstance(value, float):
        return f"{value:.6g}"
    return NOTHING if value is None else number(value)
