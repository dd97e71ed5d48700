"""damrep's autoencoder as the benchmarks run it: fitted, timed, its steps counted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.comparators import Array, Shape
from benchmarks.timing import measure
from damrep.autoencoder.estimator import DAMAutoencoder
from damrep.autoencoder.settings import AutoencoderSettings

__all__ = ["Fitted", "epochs_of", "fit_damrep", "shape_of"]


@dataclass(frozen=True)
class Fitted:
    """A fit and what it took.

    Attributes
    ----------
    model : DAMAutoencoder
    steps : int
        Optimiser steps, the choice of the width included; 0 where the fit is in closed form.
    cpu_s : float
    """

    model: DAMAutoencoder
    steps: int
    cpu_s: float

    @property
    def dims(self) -> int:
        """Dimensions it learned."""
        return int(self.model.n_components_)

    def reconstruct(self, x: Array, dims: int | None = None) -> Array:
        """Rows from the codes, or from the first few of them."""
        codes = self.model.transform(x)
        return self.model.inverse_transform(codes if dims is None else codes[:, :dims])


def fit_damrep(x: Array, seed: int, **parameters: Any) -> Fitted:
    """Fit a ``DAMAutoencoder`` on the CPU.

    Parameters
    ----------
    x : ndarray, shape (n, columns)
    seed : int
    **parameters
        Of the estimator; its defaults for the rest.
    """
    model = DAMAutoencoder(device="cpu", random_state=seed, **parameters)
    done = measure(model.fit, x)
    return Fitted(model, int(model.report_.details.get("steps", 0)), done.cpu_s)


def epochs_of(steps: int, rows: int, parameters: Mapping[str, Any]) -> int:
    """Epochs in which a ``DAMAutoencoder`` at one width takes so many steps, one at least.

    Parameters
    ----------
    steps, rows : int
        Of the optimiser, and of the table.
    parameters : mapping
        Of the estimator; its defaults for the rest.

    Examples
    --------
    >>> epochs_of(1125, 1437, {})
    225
    """
    settings = AutoencoderSettings(**{**DAMAutoencoder().get_params(), **parameters})
    fitted = rows - settings.held_out(rows)
    return max(1, round(steps / max(1, fitted // settings.batch_size)))


def shape_of(parameters: Mapping[str, Any], columns: int) -> Shape:
    """The network a comparator gets where damrep has these parameters.

    Parameters
    ----------
    parameters : mapping
        Of the estimator; its defaults for the rest.
    columns : int

    Examples
    --------
    >>> shape_of({}, 100)
    Shape(hidden=(256, 256), activation='elu', linear_path=True)
    """
    settings = AutoencoderSettings(**{**DAMAutoencoder().get_params(), **parameters})
    return Shape(settings.hidden_widths(columns), settings.activation, settings.linear_path)
