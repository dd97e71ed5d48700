"""What a page says of the curve: the loss at every width, for every purpose, and what decided."""

from __future__ import annotations

from typing import Any

from markupsafe import Markup

from damrep.masking.report import FitReport
from damrep.reporting.figures import curve_figure
from damrep.reporting.svg import to_svg
from damrep.reporting.wording import purposes_line, share, worth_of_a_dimension

__all__ = ["curve_section"]


def curve_section(report: FitReport) -> dict[str, Any] | None:
    """The picture of the curve and the sentences beside it; None where there is no curve.

    Parameters
    ----------
    report
        Of the fit.

    Returns
    -------
    dict or None
        "svg", "sentences", whether the learned width is the "cheapest", and the "others" drawn.

    Examples
    --------
    >>> report = FitReport("E", 8, 2, price=0.1, curve=[[1, 0.5], [2, 0.25], [3, 0.2]])
    >>> curve_section(report)["cheapest"]
    True
    """
    others = _other_purposes(report)
    figure = curve_figure(report.curve, report.learned_dims, report.price, others)
    if figure is None:
        return None
    last, following = worth_of_a_dimension(report)
    sentences = []
    learned = report.learned_dims
    if last is not None:
        sentences.append(f"Dimension {learned} took away {share(last)} of the loss.")
    if following is not None:
        sentences.append(
            f"Dimension {learned + 1} would have taken away {share(following)} more."
            if following >= 0
            else f"Dimension {learned + 1} would have taken away nothing more."
        )
    by_purpose = purposes_line(report)
    if by_purpose is not None:
        sentences.append(f"{by_purpose[:1].upper()}{by_purpose[1:]}.")
    drawn = Markup(to_svg(figure, "curve", "Share of the loss left against dimensions"))
    return {
        "svg": drawn,
        "sentences": sentences,
        "cheapest": _is_cheapest(report),
        "others": list(others),
    }


def _other_purposes(report: FitReport) -> dict[str, Any]:
    """The curves of the purposes that did not decide."""
    told = report.details.get("purposes") or {}
    return {
        str(name): found["curve"]
        for name, found in told.items()
        if name not in ("all", report.details.get("purpose"))
    }


def _is_cheapest(report: FitReport) -> bool | None:
    """Whether no width of the curve is a better bargain than the learned one; None: no price."""
    losses = {int(dims): loss for dims, loss in report.curve if loss is not None}
    here = losses.get(report.learned_dims)
    if report.price is None or here is None:
        return None
    cost = here + report.price * report.learned_dims
    return all(loss + report.price * dims >= cost - 1e-9 for dims, loss in losses.items())
