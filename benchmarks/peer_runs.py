"""Peers run in a process of their own: warmed up, their time taken, and stopped where too slow."""

from __future__ import annotations

import importlib.util
import resource
import signal
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp

from benchmarks.peers import PEERS, Embedding
from benchmarks.timing import Measurement, measure

__all__ = ["PeerRun", "PeerTooSlowError", "limit_cpu", "peer_installed", "run_peer"]

_PACKAGES = {"pycleora": "pycleora", "node2vec": "pecanpy"}


class PeerTooSlowError(RuntimeError):
    """A peer was stopped at its limit; the message can stand in a table's notes."""


@dataclass(frozen=True)
class PeerRun:
    """An embedding and what it took.

    Attributes
    ----------
    embedding : ndarray, float32, shape (nodes, dims)
    cpu_s : float
        Without importing and compiling the library, where that can be told apart.
    """

    embedding: Embedding
    cpu_s: float


def peer_installed(name: str) -> bool:
    """Whether the library of a peer is there."""
    return importlib.util.find_spec(_PACKAGES[name]) is not None


def run_peer(name: str, adjacency: Any, dims: int, seed: int, limit_s: int) -> PeerRun:
    """Embed with a peer, in a fresh process that may use so many CPU seconds.

    Parameters
    ----------
    name : str
        A key of `benchmarks.peers.PEERS`.
    adjacency : scipy sparse matrix or array, (nodes, nodes)
    dims : int
    seed : int
    limit_s : int
        CPU seconds after which the process is stopped, the library's import among them.

    Returns
    -------
    PeerRun

    Raises
    ------
    PeerTooSlowError
        If it did not end in time.
    RuntimeError
        If it failed, as it does where the library is not installed; with its traceback.
    """
    try:
        done = measure(_limited, name, adjacency, dims, seed, limit_s, fresh_process=True)
    except RuntimeError as error:
        if str(error).endswith(f"exit code {-signal.SIGXCPU}"):
            raise PeerTooSlowError(
                f"{name} gave no embedding of {dims} dims within {limit_s} CPU seconds."
            ) from None
        raise
    inner: Measurement = done.value
    return PeerRun(np.asarray(inner.value, dtype=np.float32), inner.cpu_s)


def limit_cpu(seconds: int) -> None:
    """End this process, without a core file, once it has used so many CPU seconds.

    A signal handler would not do: compiled loops give Python no turn to run it.
    """
    for what, most in ((resource.RLIMIT_CORE, 0), (resource.RLIMIT_CPU, seconds)):
        resource.setrlimit(what, (most, resource.getrlimit(what)[1]))


def _limited(name: str, adjacency: Any, dims: int, seed: int, limit_s: int) -> Measurement:
    limit_cpu(limit_s)
    # Imports the library, which is not what is compared.
    PEERS[name](sp.csr_matrix(np.ones((3, 3), dtype=np.float32)), 2, seed)
    return measure(PEERS[name], adjacency, dims, seed)
