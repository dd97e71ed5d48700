"""Graphs in the formats that networkx and Gephi write."""

from __future__ import annotations

import json
import re
import warnings
from pathlib import Path
from typing import Any

from damrep.masking.validation import InputError
from damrep.reading.files import open_bytes, reason

__all__ = [
    "NETWORK_ENDINGS",
    "holds_attributes",
    "read_attributed_edges",
    "read_network",
]

NETWORK_ENDINGS = (".graphml", ".gml", ".gexf", ".json")
_NAMES = {".graphml": "GraphML", ".gml": "GML", ".gexf": "GEXF", ".json": "node-link JSON"}


def read_network(path: Path, ending: str) -> Any:
    """Read a file as a networkx graph whose nodes are the names in the file.

    Parameters
    ----------
    path
    ending
        ".graphml", ".gml", ".gexf", or ".json" for what `networkx.node_link_data` gives (also with
        the name "links", as d3 has it).

    Raises
    ------
    InputError
        If the file is not one.
    """
    import networkx

    try:
        with open_bytes(path) as stream, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of attributes without a type, which are text
            if ending == ".graphml":
                return networkx.read_graphml(stream, node_type=str)
            if ending == ".gexf":
                return networkx.read_gexf(stream, node_type=str)
            if ending == ".gml":
                return _unlabelled(networkx, stream.read().decode("utf-8"))
            return _node_link(networkx, json.loads(stream.read()), path)
    except InputError:
        raise
    except Exception as error:  # parsers of damaged text fail in any way
        lines = "; an edge a line is read as .jsonl" if "Extra data" in str(error) else ""
        raise InputError(
            f"{path}: not a readable {_NAMES[ending]} file ({reason(error)}){lines}"
        ) from None


def _unlabelled(networkx: Any, text: str) -> Any:
    lines = text.splitlines()
    try:
        return networkx.parse_gml(lines)
    except networkx.NetworkXError as error:
        if "label" not in str(error):
            raise
        return networkx.parse_gml(lines, label="id")


def _node_link(networkx: Any, data: Any, path: Path) -> Any:
    edges = next(
        (key for key in ("edges", "links") if isinstance(data, dict) and key in data), None
    )
    nodes = data.get("nodes") if isinstance(data, dict) else None
    if edges is None or not isinstance(nodes, list) or not all(isinstance(n, dict) for n in nodes):
        raise InputError(
            f"{path}: expected a JSON object with nodes and edges (or links), each an object"
        )
    graph = networkx.node_link_graph(data, edges=edges)
    # d3 points to nodes by their place where they have no id; what they are called is better.
    names = [node.get("name") for node in nodes if "id" not in node]
    if len(names) == len(set(names)) == len(graph) and all(isinstance(n, str) for n in names):
        graph = networkx.relabel_nodes(graph, dict(enumerate(names)))
    return graph


def holds_attributes(line: str) -> bool:
    """Whether a line is an edge with a dict of attributes behind, as networkx writes one.

    Examples
    --------
    >>> holds_attributes("0 4 {}"), holds_attributes("0 4 1.5")
    (True, False)
    """
    return re.fullmatch(r"\S+\s+\S+\s+\{.*\}\s*", line) is not None


def read_attributed_edges(path: Path, lines: list[str]) -> Any:
    """Edges with a dict of attributes behind as a networkx graph.

    Raises
    ------
    InputError
        If a line is not one.
    """
    import networkx

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of escapes that Python does not know
            return networkx.parse_edgelist(lines, nodetype=str, data=True)
    except Exception as error:  # literal_eval of damaged text
        raise InputError(f"{path}: not a readable edge list ({reason(error)})") from None
