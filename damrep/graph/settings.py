"""Everything `DAMGraphEmbedding` can be asked for, checked once, before anything is read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from damrep.graph.encoding.encoders import ENCODERS
from damrep.graph.encoding.objectives import OBJECTIVES
from damrep.graph.purposes import PRICES, PURPOSES
from damrep.masking.validation import (
    InputError,
    check_choice,
    check_count,
    check_number,
    check_price,
    check_width,
)
from damrep.training import TrainingOptions
from damrep.training.memory import physical_memory

__all__ = ["MOST_STEPS", "OBJECTIVE_NAMES", "STRATEGIES", "EmbeddingSettings"]

WIDEST = 512
OBJECTIVE_NAMES = ("auto", *OBJECTIVES, "supervised", "svd")
STRATEGIES = ("auto", "mask", "search")
SUPERVISED_PRICE = 0.003
MOST_STEPS = 1000
"""Of propagation: a signal is its mean by then, and each step is a pass over all edges."""


@dataclass(frozen=True)
class EmbeddingSettings:
    """Checked arguments of `DAMGraphEmbedding`, where each is described.

    Raises
    ------
    InputError
        If a value is out of range.
    TypeError
        If it is of the wrong type.
    """

    encoder: str
    objective: str
    purpose: str
    price: float | None
    n_components: int | None
    max_components: int
    strategy: str
    hidden: Sequence[int]
    mask_hidden: bool
    spectral_weight: float
    spectral_steps: int | None
    smoothing: int
    rotate: bool
    feature_dropout: float
    max_epochs: int
    lr: float
    weight_decay: float
    patience: int | None
    validation_fraction: float
    keep_graph: bool | str
    directed: bool
    device: str
    precision: str
    random_state: Any = field(repr=False)
    verbose: int = 0

    def __post_init__(self) -> None:
        check_choice("encoder", self.encoder, tuple(ENCODERS))
        # Objectives may have been added to the table since it was imported.
        known = tuple(dict.fromkeys((*OBJECTIVE_NAMES, *OBJECTIVES)))
        check_choice("objective", self.objective, known)
        if self.strategy == "gradient":
            raise InputError('strategy="gradient" is now "mask": a mask that is trained')
        check_choice("strategy", self.strategy, STRATEGIES)
        check_choice("purpose", self.purpose, PURPOSES)
        self._check_purpose()
        if self.price is not None:
            check_price(self.price)
        check_count("max_components", self.max_components, minimum=1)
        if self.n_components is not None:
            check_width(self.n_components, self.max_components, "n_components")
        if isinstance(self.hidden, str | int) or not hasattr(self.hidden, "__iter__"):
            raise TypeError(f"hidden must be a sequence of widths, got {self.hidden!r}")
        for width in self.hidden:
            check_count("hidden", width, minimum=1)
        if self.mask_hidden and not len(self.hidden):
            raise InputError("mask_hidden=True needs hidden layers, got hidden=()")
        check_number("spectral_weight", self.spectral_weight, low=0.0)
        if self.spectral_steps is not None:
            check_count("spectral_steps", self.spectral_steps, minimum=1, maximum=MOST_STEPS)
        check_count("smoothing", self.smoothing, minimum=0, maximum=MOST_STEPS)
        check_number("feature_dropout", self.feature_dropout, low=0.0)
        check_number("validation_fraction", self.validation_fraction, low=0.0)
        if self.feature_dropout >= 1 or self.validation_fraction >= 1:
            raise InputError(
                "feature_dropout and validation_fraction must be below 1, got "
                f"{self.feature_dropout} and {self.validation_fraction}"
            )
        if not isinstance(self.keep_graph, bool) and self.keep_graph != "auto":
            raise InputError(f'keep_graph must be True, False or "auto", got {self.keep_graph!r}')
        if not isinstance(self.directed, bool):
            raise TypeError(f"directed must be True or False, got {self.directed!r}")
        if self.directed and self.objective == "supervised":
            raise InputError(
                'directed=True goes with no objective="supervised", whose encoder takes every arc '
                "for an edge"
            )
        self.training_options(seed=0)

    def _check_purpose(self) -> None:
        if self.objective == "supervised" and self.purpose in ("links", "features"):
            raise InputError(
                f'purpose="{self.purpose}" goes with no objective="supervised", whose width is '
                "chosen for the labels"
            )
        if self.purpose != "links":
            return
        for what, none in (
            ('objective="svd"', self.objective == "svd"),
            ("validation_fraction=0", self.validation_fraction == 0),
        ):
            if none:
                raise InputError(
                    f'purpose="links" is measured on edges held out, and {what} holds out none'
                )

    def for_graph(self, nodes: int) -> EmbeddingSettings:
        """The same, with no more dimensions to start from than so many nodes can have.

        The default is never cut: an encoder of 512 units serves a small graph too, where the
        rotation finds the few dimensions in it.

        Raises
        ------
        InputError
            If the representation alone would not go into memory.
        """
        widest = min(self.max_components, max(WIDEST, nodes))
        there = physical_memory()
        if there is not None and 4 * nodes * widest > there:
            raise InputError(
                f"max_components={widest:,}: a representation of {nodes:,} nodes takes "
                f"{4 * nodes * widest / 1e9:,.0f} GB, the memory is {there / 1e9:,.0f} GB"
            )
        budget = self.n_components
        return replace(
            self,
            max_components=widest,
            n_components=None if budget is None else min(budget, widest),
        )

    @property
    def resolved_objective(self) -> str:
        """The objective "auto" stands for, or the one asked for."""
        if self.objective != "auto":
            return self.objective
        return "reconstruction" if self.encoder == "autoencoder" else "ggd"

    @property
    def resolved_strategy(self) -> str:
        """The strategy "auto" stands for, or the one asked for."""
        return "mask" if self.strategy == "auto" else self.strategy

    @property
    def resolved_price(self) -> float:
        """The price, or the default of the purpose."""
        if self.price is not None:
            return self.price
        return SUPERVISED_PRICE if self.objective == "supervised" else PRICES[self.purpose]

    @property
    def structural_features(self) -> int:
        """Features made of the structure, where a graph has none of its own."""
        return max(1, self.max_components // 2)

    @property
    def structure_rank(self) -> int:
        """Coordinates that say where a node stands in the graph."""
        return self.max_components // 6

    @property
    def trains(self) -> bool:
        """Whether anything is trained."""
        return self.resolved_objective != "svd"

    def mask_training(self, options: TrainingOptions) -> TrainingOptions:
        """The same options where a mask learns beside the weights.

        Adam moves beta by about its learning rate a step, whatever the price, and it has to travel
        its span of 5 with steps to spare.
        """
        return replace(options, max_epochs=max(self.max_epochs, 500), beta_lr=0.02)

    def training_options(self, seed: int, **changes: Any) -> TrainingOptions:
        """Options of the encoder's training."""
        options: dict[str, Any] = {
            "max_epochs": self.max_epochs,
            "lr": self.lr,
            "weight_decay": self.weight_decay,
            "patience": self.patience,
            "device": self.device,
            "precision": self.precision,
            "verbose": self.verbose,
            "description": self.resolved_objective,
            "seed": seed,
        }
        return TrainingOptions(**{**options, **changes})
