"""What a reader of the learned width of a table should know."""

from __future__ import annotations

from damrep.autoencoder.goal import Share
from damrep.autoencoder.settings import AutoencoderSettings

__all__ = ["width_by", "width_notes"]


def width_notes(
    settings: AutoencoderSettings, width: int, loss: float, rows: int, columns: int
) -> list[str]:
    """Sentences about a fit: asked for more than there is, stopped at a limit, nothing saved.

    Parameters
    ----------
    settings
        That were asked for.
    width, loss
        What came of it: dimensions, and held-out loss.
    rows, columns
        Of the table.

    Returns
    -------
    list of str
    """
    notes = []
    if not settings.held_out(rows):
        notes.append(
            f"{rows} rows are too few to hold some out: losses are those of the fitted rows"
        )
    fitted = rows - settings.held_out(rows)
    possible, widest = settings.possible(fitted, columns), settings.widest(fitted, columns)
    if settings.budget is not None:
        if width < settings.budget:
            notes.append(f"the table has only {width} dimensions, {settings.budget} were asked for")
        return notes
    stopped = width == widest < possible
    if isinstance(settings.goal, Share):
        if not settings.goal.reached(loss):
            where = f"; stopped at max_components={widest}" if stopped else ""
            notes.append(
                f"{settings.goal.share:g} of the variance was asked for, {width} dimensions "
                f"explain {1 - loss:.3f} of that of rows held out{where}"
            )
        return notes
    # Where no more is left than a dimension costs, none beyond the limit could earn its price.
    if stopped and loss > settings.goal.price:
        limit = f"{widest}" if settings.max_components else f"{widest}, its default"
        notes.append(
            f"stopped at max_components={limit}: all {width} dimensions were kept, and the table "
            f"may have up to {possible}"
        )
    elif width == possible > 1 and settings.goal.price > 0 and settings.paper_lambda is None:
        most = "columns" if possible == columns else f"dimensions that {fitted} rows can have"
        notes.append(
            f"nothing was saved: as many dimensions earn their price as there are {most}, {width}"
        )
    return notes


def width_by(settings: AutoencoderSettings, closed_form: bool) -> str:
    """How the width came about, in words for the report."""
    if settings.budget is not None:
        return "budget"
    wanted = "share of variance" if settings.share is not None else None
    if settings.paper_lambda is not None:
        return "paper"
    return wanted or ("closed form" if closed_form else settings.resolved_strategy)
