"""`DAMGraphEmbedding`: node embeddings that say how many dimensions they need."""

from __future__ import annotations

import os
import time
from typing import Any

import numpy as np
import torch

from damrep.graph.convert import as_graph
from damrep.graph.data import Graph
from damrep.graph.fitting import Fitted, fit_unsupervised
from damrep.graph.inputs import FeaturePreparation, fit_preparation
from damrep.graph.labels import encode_labels
from damrep.graph.settings import EmbeddingSettings
from damrep.graph.storage import load_model, save_model
from damrep.graph.supervised import fit_supervised
from damrep.masking.notes import noted, warn_of
from damrep.masking.report import FitReport
from damrep.masking.validation import InputError
from damrep.reading.ids import infer_integers
from damrep.training import LearnedDimensions, resolve_seed, saturation_notes
from damrep.training.scikit_learn import BaseEstimator, TransformerMixin, check_is_fitted

__all__ = ["DAMGraphEmbedding"]


# No automatic output containers: what comes out has a row for each node, which is not what a frame
# of edges has, so its index would not fit.
class DAMGraphEmbedding(  # type: ignore[call-arg]  # scikit-learn's base class is untyped
    LearnedDimensions, TransformerMixin, BaseEstimator, auto_wrap_output_keys=None
):
    """Learn node embeddings of a graph, and how many dimensions they need.

    An encoder is trained wide. Its output, smoothed over neighbours, stands beside the spectral
    coordinates of the propagated features; a bottleneck rotates the two together, a mask keeps as
    many of its ordered units as earn their price, and all the rest is cut out of the model.

    Directed graphs are propagated over in both directions; self-loops are replaced by the ones the
    propagation adds; isolated nodes are described by their own features.

    Parameters
    ----------
    encoder : {"gcn", "sage", "autoencoder"}
        Layers of the encoder.
    objective : {"auto", "ggd", "dgi", "gae", "masked", "reconstruction", "supervised", "svd"}
        What it learns from. "auto" is "reconstruction" for the autoencoder and "ggd" otherwise.
        "supervised" needs labels and adds `predict`. "svd" trains nothing.
    price : float
        Share of the variance a node shares with its neighbours that one dimension must earn to be
        kept (of the class prior's cross-entropy for "supervised").
    n_components : int or None
        Keep exactly that many dimensions; the price is then not looked at.
    max_components : int
        Width to start from.
    strategy : {"search", "gradient"}
        "search": the whole curve of held-out loss against width, and its best point. "gradient":
        the paper's single stage, the mask's offset learned by gradient under the price.
    hidden : sequence of int
        Widths of hidden layers before the representation; empty for a one-layer encoder.
    mask_hidden : bool
        Put a mask on each hidden layer too, learned by gradient under the same price, and cut it.
    spectral_weight : float or "auto"
        Scale of the spectral coordinates; 0 leaves them out, "auto" is 1.5 or what edges ask for.
    spectral_steps, smoothing : int
        Propagation steps averaged over for the spectral coordinates, and taken behind the encoder.
    rotate : bool
        False masks the coordinates as the encoder happens to order them; kept for comparison.
    feature_dropout : float
        Share of feature columns dropped in each training step.
    max_epochs, lr, weight_decay
        Of the training, see `TrainingOptions`. The contrastive objectives stop before
        `max_epochs` once they tell real from shuffled at .4 of the loss of a coin.
    patience : int or None
        Epochs without improvement before stopping early.
    validation_fraction : float
        Share of nodes the curve's loss is measured on and not fitted to (search), or of labels held
        out (supervised).
    device : {"auto", "cpu", "cuda", "mps"}
    precision : str
        See `TrainingOptions`.
    random_state : int, Generator or None
        The same seed gives the same result on the same CPU with the same number of threads.
    verbose : int
        0 silent, 1 a progress bar on a terminal, 2 always.

    Attributes
    ----------
    n_components_ : int
        Dimensions learned.
    report_ : FitReport
        Dimensions, curve, gate, losses, seconds.
    components_curve_ : ndarray, shape (k, 2)
        Dimensions against normalised held-out loss.
    embedding_ : ndarray, shape (n, n_components_)
        Of the graph it was fitted on.
    n_features_in_ : int
        Columns of the features.

    Examples
    --------
    >>> import numpy as np, scipy.sparse as sp
    >>> ring = sp.csr_array(np.roll(np.eye(30), 1, axis=1) + np.roll(np.eye(30), -1, axis=1))
    >>> model = DAMGraphEmbedding(max_components=16, max_epochs=5, random_state=0)
    >>> z = model.fit_transform(ring)
    >>> z.shape == (30, model.n_components_)
    True
    """

    def __init__(
        self,
        encoder: str = "gcn",
        objective: str = "auto",
        price: float = 0.006,
        n_components: int | None = None,
        max_components: int = 512,
        strategy: str = "search",
        hidden: Any = (),
        mask_hidden: bool = False,
        spectral_weight: float | str = "auto",
        spectral_steps: int = 8,
        smoothing: int = 1,
        rotate: bool = True,
        feature_dropout: float = 0.5,
        max_epochs: int = 300,
        lr: float = 4e-3,
        weight_decay: float = 0.0,
        patience: int | None = None,
        validation_fraction: float = 0.1,
        device: str = "auto",
        precision: str = "32-true",
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.encoder = encoder
        self.objective = objective
        self.price = price
        self.n_components = n_components
        self.max_components = max_components
        self.strategy = strategy
        self.hidden = hidden
        self.mask_hidden = mask_hidden
        self.spectral_weight = spectral_weight
        self.spectral_steps = spectral_steps
        self.smoothing = smoothing
        self.rotate = rotate
        self.feature_dropout = feature_dropout
        self.max_epochs = max_epochs
        self.lr = lr
        self.weight_decay = weight_decay
        self.patience = patience
        self.validation_fraction = validation_fraction
        self.device = device
        self.precision = precision
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, graph: Any, y: Any = None) -> DAMGraphEmbedding:
        """Learn the embedding of a graph.

        Parameters
        ----------
        graph
            A `Graph`, or anything `damrep.graph.convert.as_graph` reads: torch_geometric Data,
            scipy adjacency, networkx graph, pandas edge frame, DGLGraph.
        y
            Labels, shape (n,), for objective="supervised" alone; -1 or None where unknown. Taken
            from the graph if not given, and then only those of its "train" split, where it has one.

        Returns
        -------
        self

        Raises
        ------
        InputError
            If an argument is out of range, or the graph cannot be embedded.
        TypeError
            If the graph is of a kind that cannot be read.
        """
        settings = self._settings()
        with noted() as notes:
            graph = as_graph(graph)
        if graph.num_nodes < 3:
            raise InputError(f"graph: expected at least 3 nodes to embed, got {graph.num_nodes}")
        supervised = settings.resolved_objective == "supervised"
        wall, cpu = time.perf_counter(), time.process_time()
        seed = resolve_seed(self.random_state)
        preparation = fit_preparation(graph, max(1, settings.max_components // 2), seed)
        inputs = preparation.prepare(graph)
        classes: tuple[str, ...] | None = None
        if supervised:
            labels, classes, train_rows, held_out = _supervision(graph, y)
            fitted = fit_supervised(settings, inputs, labels, train_rows, held_out, seed)
        else:
            fitted = fit_unsupervised(settings, inputs, seed)
        self._adopt(preparation, fitted, classes)
        self.embedding_ = fitted.compact.transform(inputs)
        self.report_ = FitReport(
            type(self).__name__,
            initial_dims=fitted.initial,
            learned_dims=self.n_components_,
            price=None if settings.n_components is not None else float(self.price),
            strategy="budget" if settings.n_components is not None else settings.strategy,
            objective=settings.resolved_objective,
            curve=[[int(m), float(loss)] for m, loss in fitted.curve],
            gate=[float(g) for g in fitted.gate],
            history=fitted.history,
            loss=fitted.loss,
            reference_loss=fitted.details.pop("reference_loss", 1.0),
            seconds=time.perf_counter() - wall,
            cpu_seconds=time.process_time() - cpu,
            seed=seed,
            warnings=[*notes, *_width_notes(settings, self.n_components_, fitted.initial)],
            details={
                "encoder": self.encoder,
                "data": {
                    "name": graph.name,
                    "nodes": graph.num_nodes,
                    "edges": graph.num_edges,
                    "features": graph.num_features,
                    "directed": graph.directed,
                },
                **fitted.details,
            },
        )
        warn_of(*self.report_.warnings)
        return self

    def _settings(self) -> EmbeddingSettings:
        return EmbeddingSettings(**self.get_params(deep=False))

    def _adopt(
        self,
        preparation: FeaturePreparation,
        fitted: Fitted,
        classes: tuple[str, ...] | None,
    ) -> None:
        self._preparation, self._compact = preparation, fitted.compact
        self._wide, self._classifier = fitted.wide, fitted.classifier
        self.n_components_ = fitted.compact.width
        self.n_features_in_ = preparation.num_features
        self.components_curve_ = np.array(fitted.curve, dtype=float)
        if classes is not None:
            # Labels that were numbers come back as numbers.
            self.classes_ = infer_integers(np.array([str(name) for name in classes], dtype=object))
        elif hasattr(self, "classes_"):
            del self.classes_

    def transform(self, graph: Any) -> np.ndarray:
        """Embed the nodes of a graph: the one fitted on, one with new nodes, or another.

        Parameters
        ----------
        graph
            As for `fit`, with the same features. A graph without features can only be embedded
            where some of its node ids are those of the graph fitted on.

        Returns
        -------
        ndarray, float32, shape (n, n_components_)
            Most important dimension first.

        Raises
        ------
        NotFittedError
            Before `fit`.
        InputError
            If the features are not those of the graph fitted on.
        """
        check_is_fitted(self, "n_components_")
        return self._compact.transform(self._preparation.prepare(as_graph(graph)))

    def fit_transform(self, X: Any, y: Any = None, **fit_params: Any) -> np.ndarray:
        """Fit, and return the embedding of the graph fitted on."""
        return self.fit(X, y, **fit_params).embedding_

    def transform_full(self, graph: Any) -> np.ndarray:
        """The representation before the cut, to compare with; not kept by `save`.

        Returns
        -------
        ndarray, float32, shape (n, report_.initial_dims)

        Raises
        ------
        InputError
            If the model was loaded, or fitted with labels: there is no wide representation.
        """
        check_is_fitted(self, "n_components_")
        if self._wide is None:
            raise InputError(
                "the representation before the cut is there only after an unsupervised fit"
            )
        return np.asarray(self._wide.transform(self._preparation.prepare(as_graph(graph))).numpy())

    def predict(self, graph: Any) -> np.ndarray:
        """Classes of a graph's nodes, for objective="supervised".

        Raises
        ------
        InputError
            If the model was fitted without labels.
        """
        check_is_fitted(self, "n_components_")
        if self._classifier is None:
            raise InputError('predict needs a model fitted with objective="supervised"')
        with torch.no_grad():
            scores = self._classifier(torch.from_numpy(self.transform(graph)))
        return np.asarray(self.classes_[scores.argmax(dim=1).numpy()])

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fitted model to a folder: config.json, weights.safetensors.

        Raises
        ------
        InputError
            If something that is not a damrep model stands there.
        """
        check_is_fitted(self, "n_components_")
        save_model(
            path,
            self._preparation,
            self._compact,
            self._classifier,
            {
                **self._saved(),
                "classes": self.classes_.tolist() if hasattr(self, "classes_") else None,
            },
        )

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> DAMGraphEmbedding:
        """Read a model that `save` wrote; nothing in the folder is executed.

        Raises
        ------
        InputError
            If the folder is not such a model, or damaged.
        """
        preparation, compact, classifier, meta = load_model(path)
        model = cls._restored(meta, path)
        report = model.report_
        classes = None if meta["classes"] is None else tuple(meta["classes"])
        fitted = Fitted(
            compact, None, report.initial_dims, report.curve, report.gate, {}, 0.0, classifier
        )
        model._adopt(preparation, fitted, classes)
        return model

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.no_validation = True
        tags.non_deterministic = False
        return tags


def _supervision(
    graph: Graph, y: Any
) -> tuple[np.ndarray, tuple[str, ...], np.ndarray, np.ndarray | None]:
    """Class numbers, class names, rows to learn from, rows to hold out (or None)."""
    rows, held_out = np.arange(graph.num_nodes), None
    names: tuple[str, ...] | None
    if y is not None:
        labels, names = encode_labels(y, graph.num_nodes, where="y")
    elif graph.labels is not None:
        labels, names = graph.labels, graph.label_names
        if graph.splits is not None and "train" in graph.splits:
            rows = np.flatnonzero(_first_split(graph.splits["train"]))
            if "val" in graph.splits:
                held_out = np.flatnonzero(_first_split(graph.splits["val"]))
    else:
        raise InputError('objective "supervised" needs labels: y is None and the graph has none')
    if labels.ndim == 2:
        raise InputError('objective "supervised" needs one label a node, got several')
    return labels, tuple(names or map(str, range(int(labels.max()) + 1))), rows, held_out


def _first_split(mask: np.ndarray) -> np.ndarray:
    return mask if mask.ndim == 1 else mask[:, 0]


def _width_notes(settings: EmbeddingSettings, learned: int, initial: int) -> list[str]:
    asked = settings.n_components
    if asked is not None and learned < asked:
        return [f"the graph has only {learned} dimensions without training, {asked} were asked for"]
    if asked is not None:
        return []
    return saturation_notes(learned, initial, settings.max_components, settings.price)
