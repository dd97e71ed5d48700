"""The report of a fit, and what a reader of its numbers should know, in a sentence each."""

from __future__ import annotations

from damrep.graph.data.graph import Graph
from damrep.graph.fitting import Fitted
from damrep.graph.joining import FittedNodes
from damrep.graph.settings import EmbeddingSettings
from damrep.masking.report import FitReport
from damrep.training import saturation_notes

__all__ = ["fit_report"]


def fit_report(
    estimator: str,
    asked: EmbeddingSettings,
    graph: Graph,
    fitted: Fitted,
    nodes: FittedNodes,
    seed: int,
    seconds: tuple[float, float],
) -> FitReport:
    """What was learned of a graph, and what it cost.

    Parameters
    ----------
    estimator
        Name of its class.
    asked
        Arguments as they were given.
    graph, fitted, nodes
        What was fitted, what came of it, and what of the graph is kept.
    seed
        That was used.
    seconds
        Wall-clock and processor time of the fit.
    """
    budget = asked.n_components is not None
    return FitReport(
        estimator,
        initial_dims=fitted.initial,
        learned_dims=fitted.compact.width,
        price=None if budget else asked.resolved_price,
        strategy="budget" if budget else fitted.strategy,
        objective=asked.resolved_objective,
        curve=[[int(m), float(loss)] for m, loss in fitted.curve],
        gate=[float(g) for g in fitted.gate],
        history=fitted.history,
        loss=fitted.loss,
        reference_loss=fitted.reference_loss,
        seconds=seconds[0],
        cpu_seconds=seconds[1],
        seed=seed,
        warnings=_notes(asked, graph, fitted),
        details={
            "encoder": asked.encoder,
            "data": {
                "name": graph.name,
                "nodes": graph.num_nodes,
                "edges": graph.num_edges,
                "features": graph.num_features,
                "directed": graph.directed,
                "kept with the model": nodes.described,
            },
            **({"asked_dims": asked.n_components} if budget else {}),
            **fitted.details,
        },
    )


def _notes(asked: EmbeddingSettings, graph: Graph, fitted: Fitted) -> list[str]:
    notes = []
    if graph.directed and not asked.directed:
        notes.append(
            f"direction is not used (directed=True, --directed): each of the {graph.num_edges:,} "
            "arcs counts as an edge both ways"
        )
    if asked.directed and not graph.directed:
        notes.append(
            "directed=True (--directed) changes nothing: every edge of the graph goes both ways"
        )
    widest = asked.for_graph(graph.num_nodes).max_components
    if widest < asked.max_components:
        notes.append(
            f"started from {widest:,} dimensions in place of {asked.max_components:,} "
            f"(max_components): {graph.num_nodes:,} nodes have no more"
        )
    return notes + _width_notes(asked, graph.num_nodes, fitted.compact.width, fitted.initial)


def _width_notes(settings: EmbeddingSettings, nodes: int, learned: int, initial: int) -> list[str]:
    asked = settings.n_components
    if asked is None:
        return saturation_notes(learned, initial, settings.max_components, settings.resolved_price)
    if learned < asked:
        return [
            f"{nodes:,} nodes have only {learned:,} dimensions here, {asked:,} were asked for: the "
            "others would be empty"
        ]
    if asked >= nodes:
        return [
            f"{asked:,} dimensions of {nodes:,} nodes: no more than {nodes - 1:,} of them tell "
            "anything of their own"
        ]
    return []
