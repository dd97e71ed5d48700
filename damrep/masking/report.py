"""What was learned, as plain data: the dimensions of each mask, and the report of a fit."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from torch import nn

from damrep.masking.plain import to_plain
from damrep.masking.plain_files import read_json
from damrep.masking.price import masks_in
from damrep.masking.printing import escaped, text_table
from damrep.masking.schema import (
    ANYTHING,
    COUNT,
    NUMBER,
    NUMBERS,
    TEXT,
    Entries,
    Items,
    Maybe,
    Number,
    Record,
    Row,
    Whole,
)
from damrep.masking.validation import InputError

__all__ = [
    "REPORT_FIELDS",
    "DimensionsReport",
    "FitReport",
    "MaskDimensions",
    "learned_dimensions",
]

# A range wider than this, in units and as a share of the width learned, is left to chance.
_FEW, _WIDE = 2, 0.5

_NUMBER, _FACTS = Maybe(NUMBER), Entries(ANYTHING)
REPORT_FIELDS = Record(
    {"estimator": TEXT, "initial_dims": COUNT, "learned_dims": COUNT},
    optional={
        "price": Maybe(Number(0.0)),
        "strategy": TEXT,
        "objective": TEXT,
        "curve": Items(Row((NUMBER, _NUMBER))),
        "gate": NUMBERS,
        "history": Entries(Items(ANYTHING)),
        "loss": _NUMBER,
        "reference_loss": _NUMBER,
        "seconds": _NUMBER,
        "cpu_seconds": _NUMBER,
        "seed": Maybe(Whole(0, 2**32 - 1)),
        "measures": Items(_FACTS),
        "warnings": Items(TEXT),
        "details": Record(
            {},
            # What the commands and the page look into.
            optional={
                **dict.fromkeys(("data", "evaluation", "provenance"), Maybe(_FACTS)),
                "seconds": Maybe(Entries(NUMBER)),
            },
            others=ANYTHING,
        ),
    },
    others=ANYTHING,
)
"""What a report is as plain data; a newer version may have more fields."""


@dataclass(frozen=True)
class MaskDimensions:
    """One mask: its module path, the units it has, those still open, and its beta."""

    name: str
    initial: int
    learned: int
    beta: float


@dataclass(frozen=True)
class DimensionsReport:
    """The dimensions of every mask of a model; prints as a table."""

    masks: tuple[MaskDimensions, ...]

    @property
    def initial(self) -> int:
        """Units of all masks together."""
        return sum(mask.initial for mask in self.masks)

    @property
    def learned(self) -> int:
        """Open units of all masks together."""
        return sum(mask.learned for mask in self.masks)

    def to_dict(self) -> dict[str, dict[str, float]]:
        """By mask name: initial, learned, beta."""
        return {
            mask.name: {"initial": mask.initial, "learned": mask.learned, "beta": mask.beta}
            for mask in self.masks
        }

    def __str__(self) -> str:
        rows = [["mask", "initial", "learned", "beta"]]
        rows += [[m.name, str(m.initial), str(m.learned), f"{m.beta:.3f}"] for m in self.masks]
        if len(self.masks) > 1:
            rows.append(["all", str(self.initial), str(self.learned), ""])
        return text_table(rows)


def learned_dimensions(model: nn.Module) -> DimensionsReport:
    """The number of units each mask of a model has and has kept open.

    Raises
    ------
    InputError
        If the model has no mask.

    Examples
    --------
    >>> from damrep.masking.dam import DAM
    >>> model = nn.Sequential(nn.Linear(3, 8), DAM(8))
    >>> model[1].set_width(2)
    >>> print(learned_dimensions(model))
    mask  initial  learned    beta
    1           8        2  -3.438
    """
    masks = masks_in(model)
    if not masks:
        raise InputError(f"the model ({type(model).__name__}) has no DAM in it")
    return DimensionsReport(
        tuple(
            MaskDimensions(name, mask.num_features, mask.n_active, float(mask.beta.detach()))
            for name, mask in masks.items()
        )
    )


@dataclass
class FitReport:
    """What a fit was asked for, what it learned and what it cost.

    Prints as a short table. Every fitted estimator has one as `report_`.

    Parameters
    ----------
    estimator
        Class name of the estimator.
    initial_dims, learned_dims
        Dimensions it started from and those it kept.
    price
        Share of the normalised loss one dimension had to earn; None where a budget was given.
    strategy, objective
        Names of what was used.
    curve
        Pairs [dims, normalised loss], by rising dims.
    gate
        Gate values, most important dimension first.
    history
        Columns of the training history.
    loss, reference_loss
        The final normalised loss, and the loss (in its own units) that 1 stands for.
    seconds, cpu_seconds
        Wall-clock and processor time of the fit.
    seed
        Seed that was used.
    measures
        Rows of evaluation, each with "name", "dims" and any measured numbers; "accuracy_spread" is
        how far "accuracy" varies.
    warnings
        Sentences a reader of the numbers should know.
    details
        Anything else, plain data.

    Examples
    --------
    >>> report = FitReport("Example", initial_dims=8, learned_dims=3, price=0.01)
    >>> FitReport.from_dict(report.to_dict()) == report
    True
    """

    estimator: str
    initial_dims: int
    learned_dims: int
    price: float | None = None
    strategy: str = ""
    objective: str = ""
    curve: list[list[float]] = field(default_factory=list)
    gate: list[float] = field(default_factory=list)
    history: dict[str, list[Any]] = field(default_factory=dict)
    loss: float | None = None
    reference_loss: float | None = None
    seconds: float | None = None
    cpu_seconds: float | None = None
    seed: int | None = None
    measures: list[dict[str, Any]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    details: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Plain data that strict JSON can hold; a NaN becomes None."""
        plain: dict[str, Any] = to_plain({f.name: getattr(self, f.name) for f in fields(self)})
        return plain

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> FitReport:
        """Rebuild a report from `to_dict`; fields of a newer version are left out.

        Raises
        ------
        InputError
            If `data` is not a report.
        """
        try:
            REPORT_FIELDS.check(data, "")
        except InputError as error:
            raise InputError(f"not a damrep report: {error}") from None
        known = {f.name for f in fields(cls)}
        return cls(**{key: value for key, value in data.items() if key in known})

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the report as JSON, all of it or nothing."""
        target = Path(path)
        text = json.dumps(self.to_dict(), indent=2, allow_nan=False) + "\n"
        handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
            # mkstemp makes a file only its owner can read; a report is an ordinary file.
            umask = os.umask(0)
            os.umask(umask)
            os.chmod(temporary, 0o666 & ~umask)
            os.replace(temporary, target)
        except BaseException:
            os.unlink(temporary)
            raise

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> FitReport:
        """Read a report that `save` wrote.

        Raises
        ------
        InputError
            If the file is missing, cut short or not a report, or not a regular file.
        """
        try:
            data = read_json(Path(path))
        except FileNotFoundError:
            raise InputError(f"no report at {path}") from None
        try:
            return cls.from_dict(data)
        except InputError as error:
            raise InputError(f"{path}: {error}") from None

    def __str__(self) -> str:
        facts = [("dimensions", f"{self.learned_dims} of {self.initial_dims}{self.as_good}")]
        if self.price is not None:
            facts.append(("price of one", f"{self.price:g} of the loss"))
        how = ", ".join(part for part in (self.objective, self.strategy) if part)
        if how:
            facts.append(("trained by", how))
        if self.loss is not None:
            facts.append(("loss", f"{self.loss:.4f} (1 = nothing learned)"))
        worth = self._next_dimension()
        if worth is not None:
            facts.append(("one more earns", f"{worth:.2g} of the loss"))
        if self.seconds is not None:
            cpu = "" if self.cpu_seconds is None else f" ({self.cpu_seconds:.1f} s of processor)"
            facts.append(("time", f"{self.seconds:.1f} s{cpu}"))
        width = max(len(name) for name, _ in facts)
        lines = [self.estimator, *(f"  {name.ljust(width)}  {value}" for name, value in facts)]
        table = ["", _measures_table(self.measures)] if self.measures else []
        notes = [f"Note: {warning}" for warning in self.warnings]
        # What was loaded may hold anything.
        return "\n".join([*map(escaped, lines), *table, *map(escaped, notes)])

    @property
    def components_range(self) -> tuple[int, int] | None:
        """Narrowest and widest width as good as the learned one; None if that is not known."""
        found = self.details.get("as good")
        if not isinstance(found, list) or [type(end) for end in found] != [int, int]:
            return None
        return found[0], found[1]

    @property
    def as_good(self) -> str:
        """Which widths are as good, in words after the learned one; empty if no other is."""
        low, high = self.components_range or (0, 0)
        if low == high:
            return ""
        wide = high - low > max(_FEW, _WIDE * self.learned_dims)
        chance = ": the number hangs on chance" if wide else ""
        return f", {low} to {high} as good{chance}"

    def _next_dimension(self) -> float | None:
        """Loss that one more dimension would take away, where the curve covers both widths."""
        losses = {int(dims): loss for dims, loss in self.curve if loss is not None}
        here, there = losses.get(self.learned_dims), losses.get(self.learned_dims + 1)
        return None if here is None or there is None else here - there


def _measures_table(measures: Sequence[Mapping[str, Any]]) -> str:
    """Rows in the order given, columns in the order they first appear, spreads beside theirs."""
    columns = list(dict.fromkeys(column for row in measures for column in row))
    spreads = {f"{column}_spread" for column in columns}
    columns = [column for column in columns if column not in spreads]
    columns.sort(key=lambda column: {"name": 0, "dims": 1}.get(column, 2))
    rows = [["" if column == "name" else column for column in columns]]
    for row in measures:
        rows.append([_cell(row.get(c), row.get(f"{c}_spread")) for c in columns])
    return text_table(rows)


def _cell(value: Any, spread: Any = None) -> str:
    value = to_plain(value)
    if value is None:
        return "-"
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    return text if to_plain(spread) is None else f"{text} ± {_cell(spread)}"
