"""`DAMAutoencoder`: dimensionality reduction that says how many dimensions it takes."""

from __future__ import annotations

import os
import time
from typing import Any

import numpy as np
import torch

from damrep.autoencoder.fitting import fit_autoencoder, refit_linear, split_rows
from damrep.autoencoder.network import AutoencoderNetwork
from damrep.autoencoder.prefixes import prefix_losses
from damrep.autoencoder.products import encoded
from damrep.autoencoder.rows import Rows, block_rows, measure_columns
from damrep.autoencoder.settings import AutoencoderSettings
from damrep.autoencoder.storage import load_model, save_model
from damrep.autoencoder.vectors import unfolded
from damrep.autoencoder.width_notes import width_by, width_notes
from damrep.masking.notes import warn_of
from damrep.masking.report import FitReport
from damrep.masking.validation import InputError
from damrep.training import LearnedDimensions, resolve_seed
from damrep.training.scikit_learn import (
    BaseEstimator,
    TransformerMixin,
    check_array,
    check_is_fitted,
    validate_data,
)

__all__ = ["DAMAutoencoder"]


class DAMAutoencoder(LearnedDimensions, TransformerMixin, BaseEstimator):
    """Reduce a table to as many dimensions as earn their price.

    An autoencoder is trained behind a mask over its codes, which opens while another dimension
    takes away its price of the loss on held-out rows; the codes left closed are cut. A linear path
    beside the network begins as PCA, so that the network learns what PCA leaves over.

    Columns are centred and the whole table divided by one number, so that a price means the same
    for data of any scale; columns are not scaled one by one. Where their units differ, put
    `sklearn.preprocessing.StandardScaler` in front; where a table has gaps, words or dates,
    `damrep.autoencoder.preparing.TablePreparation`.

    Parameters
    ----------
    price : float
        Share of the variance one dimension must explain, on rows held out, to be kept.
    n_components : int, float or None
        Keep exactly that many dimensions, or, between 0 and 1, the fewest that explain that share
        of the variance of the rows held out, as scikit-learn's PCA does on the rows fitted. The
        price is then not looked at.
    hidden : "auto" or sequence of int
        Widths of the encoder's hidden layers, mirrored in the decoder. Empty for a linear
        autoencoder: PCA, in closed form, cut by price. "auto" fits the linear one and a network of
        two layers, and keeps the cheaper by held-out loss and price.
    activation : {"elu", "gelu", "relu", "silu", "tanh"}
        Between the layers.
    strategy : {"auto", "mask", "search"}
        How the width of a network is found; that of a linear model, and of one with
        metric="cosine", is the best point of a curve that is known. "mask", which "auto" is:
        trained behind a mask that opens as a falling price allows, and the mask decides
        (`damrep.masking.MaskStrategy`). "search": all widths are trained alike, and the best point
        of their curve is taken.
    metric : {"euclidean", "cosine"}
        What is to be kept: the values, by squared error; or who is nearest to whom by cosine, for
        a table of embeddings that are to be searched by it. The latter is a linear map without an
        offset, and its loss is not of variance but of neighbours (`fit_cosine_map`).
    max_components : int or None
        Dimensions to start from; None for 512 or as many as the table has.
    batch_size : int
        Rows a training step.
    max_epochs : int or None
        Passes over the rows that a fit at one width takes; learning it takes 1.1 times as many.
        None for as many as make 3,000 steps, but 10 at least and 150 at most. For the cosine map
        one is 25 steps of its own, and None 300 of them.
    lr : float
        Learning rate (Adam) at its height; it rises for some steps and falls along a cosine.
    validation_fraction : float
        Share of the rows, 5,000 at most, that losses are measured on and nothing is fitted to; once
        the width is known, a linear model without training is fitted to them too. With fewer than
        two such rows, losses are those of the rows fitted.
    linear_path : bool
        False for a plain multilayer network, without the linear path beside it.
    paper_lambda : float or None
        In place of a price: the training of arXiv 2110.00684 as it stands there, with this number
        times the mask's offset beside the squared error in the data's own units. What it means
        depends on the scale of the data and on the width.
    device, precision : str
        See `TrainingOptions`.
    random_state : int, RandomState, Generator or None
        Seed of everything random.
    verbose : int
        0 silent; 1 a progress bar if stderr is a terminal; 2 in any case.

    Attributes
    ----------
    n_components_ : int
        Learned dimensions.
    components_curve_ : ndarray, shape (k, 2)
        Dimensions against held-out normalised loss, the share of the variance left over: what one
        dimension more or less would be worth. For a network, of a single one cut to each width,
        as it was when its width was settled; it is trained on after that.
    prefix_curve_ : ndarray, shape (n_components_, 2)
        The same for the fitted model cut to its first 1, 2, ... dimensions.
    explained_variance_ratio_ : ndarray, shape (n_components_,)
        What each dimension adds to the variance explained, on held-out rows.
    mean_ : ndarray, shape (n_features_in_,)
        Of the columns.
    scale_ : float
        Root of the columns' mean variance.
    report_ : FitReport
        The evidence, as a short table, plain data, and for the HTML page.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(500, 3)) @ rng.normal(size=(3, 20))
    >>> model = DAMAutoencoder(hidden=(), random_state=0)
    >>> model.fit_transform(X).shape
    (500, 3)
    """

    _former = {"strategy": {"gradient": "auto"}}

    def __init__(
        self,
        price: float = 1e-3,
        n_components: int | float | None = None,
        hidden: Any = "auto",
        activation: str = "elu",
        strategy: str = "auto",
        metric: str = "euclidean",
        max_components: int | None = None,
        batch_size: int = 256,
        max_epochs: int | None = None,
        lr: float = 2e-3,
        validation_fraction: float = 0.1,
        linear_path: bool = True,
        paper_lambda: float | None = None,
        device: str = "auto",
        precision: str = "32-true",
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.price = price
        self.n_components = n_components
        self.hidden = hidden
        self.activation = activation
        self.strategy = strategy
        self.metric = metric
        self.max_components = max_components
        self.batch_size = batch_size
        self.max_epochs = max_epochs
        self.lr = lr
        self.validation_fraction = validation_fraction
        self.linear_path = linear_path
        self.paper_lambda = paper_lambda
        self.device = device
        self.precision = precision
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Any, y: Any = None) -> DAMAutoencoder:
        """Learn the dimensions of a table.

        Parameters
        ----------
        X
            Table (N, d) of finite numbers: array, memory-mapped array, scipy sparse matrix, or
            data frame, of columns of numbers or one of vectors. A memory-mapped or sparse one is
            read a few rows at a time.
        y
            Ignored.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If X is not such a table, an argument is out of range (`InputError`), or no column
            varies.
        """
        settings = self._settings()
        seed = resolve_seed(self.random_state)
        X = validate_data(
            self, unfolded(X), accept_sparse="csr", dtype="numeric", ensure_min_samples=2
        )
        wall, cpu = time.perf_counter(), time.process_time()
        count, columns = X.shape
        fit, held = split_rows(count, settings.held_out(count), seed)
        mean, scale = measure_columns(X, fit)
        if settings.metric == "cosine":  # angles are about zero, and have no unit
            mean, scale = np.zeros(columns), 1.0
        rows = Rows(X, mean, scale, _working_dtype(X.dtype), fit)
        held_out = Rows(X, mean, scale, rows.dtype, held)
        fitted = fit_autoencoder(settings, rows, held_out, seed)
        if fitted.closed_form:
            axes = fitted.network.axes()
            fitted.network, mean, scale = refit_linear(
                axes, settings.budget or fitted.width, X, rows.dtype, seed
            )
        left = fitted.left or prefix_losses(fitted.network, held_out, range(1, fitted.width + 1))
        # Directions that only the rows held out have are worth nothing beside those fitted.
        left = left[: fitted.width] + left[-1:] * (fitted.width - len(left))
        # A code that makes it worse explains nothing; the next one has to make up for it first.
        ratio = -np.diff(np.minimum.accumulate([1.0, *left]))
        curves = (np.array(fitted.curve), np.array(fitted.prefixes or left), ratio)
        self._adopt(fitted.network, mean, scale, *curves)
        self.report_ = FitReport(
            type(self).__name__,
            initial_dims=fitted.initial,
            learned_dims=self.n_components_,
            price=None if settings.n_components is not None else float(self.price),
            strategy=width_by(settings, fitted.closed_form),
            objective="reconstruction" if settings.metric == "euclidean" else "cosine",
            curve=[[int(m), float(loss)] for m, loss in fitted.curve],
            gate=fitted.gate,
            history=fitted.history,
            loss=fitted.loss,
            reference_loss=scale**2,
            seconds=time.perf_counter() - wall,
            cpu_seconds=time.process_time() - cpu,
            seed=seed,
            warnings=width_notes(settings, fitted.width, fitted.loss, count, columns),
            details={
                "data": {"rows": count, "columns": columns, "held out": settings.held_out(count)},
                **fitted.details,
            },
        )
        warn_of(*self.report_.warnings)
        return self

    def _settings(self) -> AutoencoderSettings:
        return AutoencoderSettings(**self.get_params(deep=False))

    def _adopt(
        self,
        network: AutoencoderNetwork,
        mean: np.ndarray,
        scale: float,
        curve: np.ndarray,
        prefixes: np.ndarray,
        ratio: np.ndarray,
    ) -> None:
        self._network = network.eval()
        self.mean_, self.scale_ = mean, scale
        self.n_components_ = network.width
        self.components_curve_ = curve
        self.prefix_curve_ = np.stack([np.arange(1.0, len(prefixes) + 1), prefixes], axis=1)
        self.explained_variance_ratio_ = ratio

    def transform(self, X: Any) -> np.ndarray:
        """Reduce rows to the learned dimensions.

        Parameters
        ----------
        X
            As for `fit`, with the same columns.

        Returns
        -------
        ndarray, shape (N, n_components_)
            Most important dimension first; any first few of them can be used alone. float32 for
            float32, else float64.

        Raises
        ------
        NotFittedError
            Before `fit`.
        ValueError
            If X has other columns, or values that are not finite numbers.
        """
        check_is_fitted(self, "n_components_")
        X = validate_data(self, unfolded(X), accept_sparse="csr", dtype="numeric", reset=False)
        rows = Rows(X, self.mean_, self.scale_, self._dtype)
        out = np.empty((len(rows), self.n_components_), dtype=_output_dtype(X.dtype))
        at = 0
        for codes in encoded(self._network, rows):
            out[at : at + len(codes)] = codes.numpy()
            at += len(codes)
        return out

    def inverse_transform(self, X: Any) -> np.ndarray:
        """Rows as the learned dimensions, or the first few of them, tell them.

        Parameters
        ----------
        X
            Codes (N, m), m <= n_components_; those that are not given are guessed from these.

        Returns
        -------
        ndarray, shape (N, n_features_in_)

        Raises
        ------
        ValueError
            If there are more codes than the model has, or values that are not finite numbers.
        """
        check_is_fitted(self, "n_components_")
        codes = check_array(X, dtype=[np.float64, np.float32])
        if codes.shape[1] > self.n_components_:
            raise InputError(
                f"X has {codes.shape[1]} columns, but {type(self).__name__} has "
                f"{self.n_components_} dimensions"
            )
        out = np.empty((len(codes), self.n_features_in_), dtype=codes.dtype)
        size = block_rows(self.n_features_in_)
        with torch.no_grad():
            for start in range(0, len(codes), size):
                block = torch.from_numpy(np.array(codes[start : start + size])).to(self._dtype)
                rows = self._network.decode(block).double().numpy()
                out[start : start + size] = rows * self.scale_ + self.mean_
        return out

    def score(self, X: Any, y: Any = None) -> float:
        """Share of the rows' variance that is reconstructed: 1 for all of it, 0 for none.

        Parameters
        ----------
        X
            As for `transform`.
        y
            Ignored.
        """
        check_is_fitted(self, "n_components_")
        X = validate_data(self, unfolded(X), accept_sparse="csr", dtype="numeric", reset=False)
        rows = Rows(X, self.mean_, self.scale_, self._dtype)
        return 1.0 - prefix_losses(self._network, rows, [self.n_components_])[0]

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fitted model to a folder: config.json, weights.safetensors.

        Raises
        ------
        InputError
            If something that is not a damrep model stands there.
        """
        check_is_fitted(self, "n_components_")
        names = getattr(self, "feature_names_in_", None)
        save_model(
            path,
            self._network,
            self.mean_,
            self.scale_,
            {
                **self._saved(),
                "feature_names": None if names is None else [str(name) for name in names],
                "curve": self.components_curve_.tolist(),
                "prefixes": self.prefix_curve_[:, 1].tolist(),
                "variance": self.explained_variance_ratio_.tolist(),
            },
        )

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> DAMAutoencoder:
        """Read a model that `save` wrote; nothing in the folder is executed.

        Raises
        ------
        InputError
            If the folder is not such a model, or damaged.
        """
        network, mean, scale, meta = load_model(path)
        model = cls._restored(meta, path)
        curves = [np.array(meta[k], dtype=float) for k in ("curve", "prefixes", "variance")]
        names = meta["feature_names"]
        model._adopt(network, mean, scale, *curves)
        model.n_features_in_ = network.columns
        if names is not None:
            model.feature_names_in_ = np.array(names, dtype=object)
        return model

    @property
    def _dtype(self) -> torch.dtype:
        return next(self._network.parameters()).dtype

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def _working_dtype(dtype: Any) -> torch.dtype:
    """What a table is computed in: floats of half precision and single in single."""
    small = np.dtype(dtype).kind == "f" and np.dtype(dtype).itemsize <= 4
    return torch.float32 if small else torch.float64


def _output_dtype(dtype: Any) -> Any:
    return np.float32 if _working_dtype(dtype) == torch.float32 else np.float64
