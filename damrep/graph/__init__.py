"""Compact embeddings of graphs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from damrep.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from damrep.graph.data.convert import as_graph
    from damrep.graph.estimator import DAMGraphEmbedding

__all__ = ["DAMGraphEmbedding", "as_graph"]

__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "DAMGraphEmbedding": "damrep.graph.estimator",
        "as_graph": "damrep.graph.data.convert",
    },
)
