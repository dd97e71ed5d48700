"""`DAMGraphEmbedding`: node embeddings that say how many dimensions they need."""

from __future__ import annotations

import os
import time
from typing import Any

import numpy as np
import torch

from damrep.graph.containers import NodeFrames
from damrep.graph.data.convert import as_graph
from damrep.graph.data.frames import feature_rows
from damrep.graph.data.graph import Graph
from damrep.graph.data.labels import check_labels
from damrep.graph.encoding.inputs import FeaturePreparation, fit_preparation
from damrep.graph.fit_report import fit_report
from damrep.graph.fitting import Fitted, fit_graph
from damrep.graph.joining import FittedNodes
from damrep.graph.settings import EmbeddingSettings
from damrep.graph.storage import load_model, save_model
from damrep.graph.supervised import fit_supervised, supervision
from damrep.masking.notes import noted, warn_of
from damrep.masking.validation import InputError, check_count
from damrep.reading.ids import infer_integers
from damrep.training import LearnedDimensions, resolve_seed
from damrep.training.nearest import nearest, place_of
from damrep.training.scikit_learn import BaseEstimator, TransformerMixin, check_is_fitted

__all__ = ["DAMGraphEmbedding"]


class DAMGraphEmbedding(  # type: ignore[call-arg]  # scikit-learn's base class is untyped
    NodeFrames, LearnedDimensions, TransformerMixin, BaseEstimator, auto_wrap_output_keys=None
):
    """Learn node embeddings of a graph, and how many dimensions they need.

    An encoder is trained wide. Its output, smoothed over neighbours, stands beside the spectral
    coordinates of the propagated features and a factorisation of the structure, weighed by edges
    held out. A bottleneck turns these into units in the order of what neighbours have in common; a
    mask keeps as many of them as earn their price, and all the rest is cut out of the model.

    Arcs are taken for edges, which the report of a directed graph says, unless `directed` is True;
    self-loops are replaced by the ones the propagation adds; isolated nodes are described by their
    own features.

    Parameters
    ----------
    encoder : {"gcn", "sage", "autoencoder"}
        Layers of the encoder.
    objective : {"auto", "ggd", "dgi", "gae", "masked", "reconstruction", "supervised", "svd"}
        What it learns from. "auto" is "reconstruction" for the autoencoder and "ggd" otherwise.
        "supervised" needs labels and adds `predict`. "svd" trains nothing.
    purpose : {"all", "links", "features", "labels"}
        What the width is chosen for. "links": telling edges held out from other pairs, by cosine.
        "features": what nodes held out have in common with their neighbours. "labels": the classes
        of nodes with known labels, by a linear map; nodes of one class then count beside the
        edges, so that what labels need comes first. "all": the mean of links and features, with
        the directions of links. The report has the number for each.
    price : float or None
        Share of that purpose's loss one dimension must earn to be kept (of the class prior's
        cross-entropy for "supervised"); None: .003, for links .001, for labels .0005, for features
        .006.
    n_components : int or None
        Keep exactly that many dimensions; the price is then not looked at.
    max_components : int
        Width to start from: a third for the encoder, a third for the features, and a third for the
        structure, as it is and smoothed.
    strategy : {"auto", "mask", "search"}
        "mask": a bottleneck is trained on edges at widths that a mask draws, and nodes held out
        decide; with "supervised" it is trained to say what the classifier says. "search": the
        bottleneck in closed form, and the best point of its curve. "auto": the mask.
    hidden : sequence of int
        Widths of hidden layers before the representation; empty for a one-layer encoder.
    mask_hidden : bool
        Put a mask on each hidden layer too, learned by gradient; with labels the only masks.
    spectral_weight : float
        Scale of the features' spectral coordinates beside the encoder's output; 0 leaves them out.
    spectral_steps : int or None
        Propagation steps averaged over for these; None: 20, or 8 where nothing is trained.
    smoothing : int
        Propagation steps taken behind the encoder.
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
        Share of nodes held out of the fit, to measure the curve's loss on; a hundred or half of
        them, if that is more. With "supervised", share of labels. 0, or fewer than ten nodes: none
        is held out, which the report says.
    keep_graph : bool or "auto"
        Keep the graph fitted on with the model, and save it, so that new nodes and edges can be
        joined to it (`transform` with ``join=True``); "auto" where edges and features take no more
        than 64 MiB. The ids of its nodes are kept in any case.
    directed : bool
        Tell apart whom a node points to and who points to it, if the graph is directed: features
        are smoothed along the arcs and against them, and each node has a place among the sources
        and one among the targets. Nodes are then alike that point to the same nodes or are pointed
        to by the same, linked or not, and that is what a cosine tells; it is the same both ways, so
        which of two nodes points to the other takes a function of both codes. The encoder, and
        links held out, take arcs for edges.
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
        Dimensions, curve, gate (where a mask acted), losses, seconds.
    components_curve_ : ndarray, shape (k, 2)
        Dimensions against normalised held-out loss.
    embedding_ : ndarray, shape (n, n_components_)
        Of the graph it was fitted on.
    node_ids_ : ndarray, shape (n,)
        Which node each row of it is: int64, or strings. Empty where an earlier version saved it.
    graph_ : Graph or None
        What of the graph is kept: its edges, undirected unless their direction is used, and its
        features.
    n_features_in_ : int
        Columns of the features.
    feature_names_in_ : ndarray of str, shape (n_features_in_,)
        Their names, where they had some. Columns that come with names are then taken by name.

    Examples
    --------
    >>> import numpy as np, scipy.sparse as sp
    >>> ring = sp.csr_array(np.roll(np.eye(30), 1, axis=1) + np.roll(np.eye(30), -1, axis=1))
    >>> model = DAMGraphEmbedding(max_components=16, max_epochs=5, random_state=0)
    >>> z = model.fit_transform(ring)
    >>> z.shape == (30, model.n_components_)
    True
    """

    _former = {"strategy": {"gradient": "auto"}, "spectral_weight": {"auto": 1.5}}

    def __init__(
        self,
        encoder: str = "gcn",
        objective: str = "auto",
        purpose: str = "all",
        price: float | None = None,
        n_components: int | None = None,
        max_components: int = 384,
        strategy: str = "auto",
        hidden: Any = (),
        mask_hidden: bool = False,
        spectral_weight: float = 1.5,
        spectral_steps: int | None = None,
        smoothing: int = 1,
        rotate: bool = True,
        feature_dropout: float = 0.5,
        max_epochs: int = 300,
        lr: float = 4e-3,
        weight_decay: float = 0.0,
        patience: int | None = None,
        validation_fraction: float = 0.1,
        keep_graph: bool | str = "auto",
        directed: bool = False,
        device: str = "auto",
        precision: str = "32-true",
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.encoder = encoder
        self.objective = objective
        self.purpose = purpose
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
        self.keep_graph = keep_graph
        self.directed = directed
        self.device = device
        self.precision = precision
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, graph: Any, y: Any = None, *, features: Any = None) -> DAMGraphEmbedding:
        """Learn the embedding of a graph.

        Parameters
        ----------
        graph
            A `Graph`, or anything `damrep.as_graph` reads: torch_geometric Data, scipy adjacency,
            networkx graph, data frame or list of edges, DGLGraph.
        y
            Labels, shape (n,), for objective="supervised" alone; -1 or None where unknown. Taken
            from the graph if not given, and then only those of its "train" split, where it has one.
        features
            Of the nodes, in any form `damrep.as_graph` takes; in place of those of the graph.

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
        asked = self._settings()
        check_labels(y)
        with noted() as notes:
            graph = self._read(graph, features)
        if graph.num_nodes < 3:
            raise InputError(f"graph: expected at least 3 nodes to embed, got {graph.num_nodes}")
        settings = asked.for_graph(graph.num_nodes)
        wall, cpu = time.perf_counter(), time.process_time()
        seed = resolve_seed(self.random_state)
        given = graph
        if not self.directed:
            graph = graph.symmetrised()
        classes: tuple[str, ...] | None = None
        if settings.resolved_objective == "supervised":
            preparation = fit_preparation(graph, settings.structural_features, seed)
            inputs = preparation.prepare(graph)
            labels, classes, train_rows, held_out = supervision(graph, y)
            fitted = fit_supervised(settings, inputs, labels, train_rows, held_out, seed)
        else:
            preparation, inputs, fitted = fit_graph(settings, graph, y, seed)
        nodes = FittedNodes.of(graph, settings.keep_graph)
        self._adopt(preparation, fitted, nodes, classes)
        self.embedding_ = fitted.compact.transform(inputs)
        spent = (time.perf_counter() - wall, time.process_time() - cpu)
        self.report_ = fit_report(type(self).__name__, asked, given, fitted, nodes, seed, spent)
        self.report_.warnings[:0] = notes
        warn_of(*self.report_.warnings)
        return self

    def _settings(self) -> EmbeddingSettings:
        return EmbeddingSettings(**self.get_params(deep=False))

    def _read(self, graph: Any, features: Any = None) -> Graph:
        # Pairs and frames do not say whether their edges are arcs.
        return as_graph(graph, features, directed=True if self.directed else None)

    def _adopt(
        self,
        preparation: FeaturePreparation,
        fitted: Fitted,
        nodes: FittedNodes,
        classes: tuple[str, ...] | None,
    ) -> None:
        self._preparation, self._compact = preparation, fitted.compact
        self._wide, self._classifier = fitted.wide, fitted.classifier
        self._nodes = nodes
        self.node_ids_, self.graph_ = nodes.node_ids, nodes.graph
        self.n_components_ = fitted.compact.width
        self.n_features_in_ = preparation.num_features
        if preparation.names is not None:
            self.feature_names_in_ = np.array(preparation.names, dtype=object)
        elif hasattr(self, "feature_names_in_"):
            del self.feature_names_in_
        self.components_curve_ = np.array(fitted.curve, dtype=float)
        if classes is not None:
            # Labels that were numbers come back as numbers.
            self.classes_ = infer_integers(np.array([str(name) for name in classes], dtype=object))
        elif hasattr(self, "classes_"):
            del self.classes_

    def transform(self, graph: Any, features: Any = None, *, join: bool = False) -> Any:
        """Embed the nodes of a graph: the one fitted on, one with new nodes, or another.

        Parameters
        ----------
        graph
            As for `fit`, with the same features. A graph without features can only be embedded
            where some of its node ids are those of the graph fitted on.
        features
            As for `fit`; with `join`, of the new nodes at least.
        join
            False: the graph is all there is. True: its nodes and edges are joined by their ids to
            the graph fitted on, so that a few new edges are enough; needs `keep_graph`. An edge
            that is there already takes the new weight, a node the new features.

        Returns
        -------
        ndarray, float32, shape (m, n_components_), or what `set_output` asked for
            A row for each node of `graph` in its order, and then, with `join`, for each further
            node of `features` that is new; the most important dimension first.

        Raises
        ------
        NotFittedError
            Before `fit`.
        InputError
            If the features are not those of the graph fitted on, or, with `join`, that graph was
            not kept, or a new node has no features.

        Examples
        --------
        >>> model = DAMGraphEmbedding(max_components=16, max_epochs=5, random_state=0)
        >>> model = model.fit([(i, (i + step) % 40) for i in range(40) for step in (1, 2)])
        >>> codes = model.set_output(transform="pandas").transform([(40, 7), (40, 8)], join=True)
        >>> codes.index.tolist()
        [7, 8, 40]
        """
        check_is_fitted(self, "n_components_")
        if not join:
            graph = self._read(graph, features)
            note = self._nodes.note_on(graph)
            if note is not None:
                warn_of(note)
            values = self._compact.transform(self._preparation.prepare(graph))
            return self._contained(values, graph.node_ids)
        table = None if features is None else feature_rows(features)
        joined = self._nodes.join(self._read(graph), table, self._preparation.arrange)
        values = self._compact.transform(self._preparation.prepare(joined.graph, same=True))
        return self._contained(values[joined.rows], joined.node_ids)

    def similar_nodes(self, node: Any, n: int = 10) -> tuple[np.ndarray, np.ndarray]:
        """The nodes of the graph fitted on whose codes point the most in a node's direction.

        Parameters
        ----------
        node
            Its id.
        n
            How many; there are no more than the others.

        Returns
        -------
        ids : ndarray, shape (n,)
            The most similar first.
        cosines : ndarray of float32, shape (n,)

        Raises
        ------
        NotFittedError
            Before `fit`.
        InputError
            If there is no such node, or the model was loaded and did not keep its graph.

        Examples
        --------
        >>> pairs = [(i, (i + step) % 40) for i in range(40) for step in (1, 2)]
        >>> model = DAMGraphEmbedding(max_components=16, max_epochs=5, random_state=0).fit(pairs)
        >>> ids, cosines = model.similar_nodes(7, n=3)
        >>> ids.shape, 7 in ids
        ((3,), False)
        """
        check_is_fitted(self, "n_components_")
        place = place_of(node, self.node_ids_, "graph")
        if not hasattr(self, "embedding_"):
            if self.graph_ is None:
                raise InputError(
                    "the model does not keep the graph it was fitted on (keep_graph=True), so the "
                    "codes of its nodes are not known"
                )
            inputs = self._preparation.prepare(self.graph_, same=True)
            self.embedding_ = self._compact.transform(inputs)
        codes, count = self.embedding_, check_count("n", n, minimum=1)
        own = np.array([place])
        rows, cosines = nearest(codes[own], codes, min(count, len(codes) - 1), own)
        return self.node_ids_[rows[0]], cosines[0]

    def fit_transform(self, X: Any, y: Any = None, *, features: Any = None) -> Any:
        """Fit, and return the embedding of the graph fitted on.

        Parameters
        ----------
        X, y, features
            Graph, labels and features, as for `fit`.
        """
        self.fit(X, y, features=features)
        return self._contained(self.embedding_, self.node_ids_)

    def transform_full(self, graph: Any, features: Any = None) -> np.ndarray:
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
        inputs = self._preparation.prepare(self._read(graph, features))
        return np.asarray(self._wide.transform(inputs).numpy())

    def predict(self, graph: Any, features: Any = None) -> np.ndarray:
        """Classes of a graph's nodes, for objective="supervised".

        Raises
        ------
        InputError
            If the model was fitted without labels.
        """
        check_is_fitted(self, "n_components_")
        if self._classifier is None:
            raise InputError('predict needs a model fitted with objective="supervised"')
        inputs = self._preparation.prepare(self._read(graph, features))
        with torch.no_grad():
            scores = self._classifier(torch.from_numpy(self._compact.transform(inputs)))
        return np.asarray(self.classes_[scores.argmax(dim=1).numpy()])

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fitted model to a folder: config.json, weights.safetensors.

        The ids of the nodes go with it, and their edges and features where `keep_graph` says so.

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
            self._nodes,
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
        preparation, compact, classifier, nodes, meta = load_model(path)
        model = cls._restored(meta, path)
        report = model.report_
        classes = None if meta["classes"] is None else tuple(meta["classes"])
        fitted = Fitted(
            compact, None, report.initial_dims, report.curve, report.gate, {}, 0.0, classifier
        )
        model._adopt(preparation, fitted, nodes, classes)
        return model

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.no_validation = True
        tags.non_deterministic = False
        return tags
