"""How much faster a cut network is: in PyTorch, and in a runtime that networks are served with."""

from __future__ import annotations

import logging
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.peers import require
from benchmarks.timing import interleave
from damrep.pruning.latency import measure_latency

__all__ = ["runtime_speedup", "served", "speedup"]

_REPEATS = 30
_CALLS = 3  # a round: small networks take less than a millisecond


def speedup(whole: nn.Module, cut: nn.Module, batch: Tensor) -> float:
    """Time of a forward pass of the whole network over that of the cut one, in PyTorch.

    Parameters
    ----------
    whole, cut : Module
    batch : Tensor
        What both are called with, in turns.
    """
    before, after = measure_latency([whole, cut], (batch,), repeats=_REPEATS)
    return before / after


def runtime_speedup(whole: nn.Module, cut: nn.Module, batch: Tensor) -> float:
    """The same in ONNX Runtime, which fuses normalisation and activation into convolutions.

    Parameters
    ----------
    whole, cut, batch
        As for `speedup`; both are exported for batches of this size.
    """
    passes = {"whole": served(whole, batch), "cut": served(cut, batch)}
    return interleave(passes, _REPEATS, warmup=2, repeat=_CALLS).ratio("whole", "cut")


def served(model: nn.Module, batch: Tensor) -> Callable[[], list[Any]]:
    """A forward pass of a network in ONNX Runtime, in eval mode, with as many threads as torch has.

    Parameters
    ----------
    model : Module
    batch : Tensor
        What it is called with.

    Raises
    ------
    PeerMissingError
        If the runtime or what exports to it is not installed.
    """
    runtime = require("onnxruntime", "onnxruntime")
    require("onnxscript", "onnxscript")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.inter_op_num_threads = 1
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "network.onnx")
        with warnings.catch_warnings():
            # Of packages that are not installed and of torch's own; neither is about the network.
            warnings.simplefilter("ignore")
            logging.getLogger("torch.onnx").setLevel(logging.ERROR)
            torch.onnx.export(model.eval(), (batch,), path, dynamo=True, verbose=False)
        session = runtime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    inputs = {session.get_inputs()[0].name: batch.numpy()}

    def forward() -> list[Any]:
        return list(session.run(None, inputs))

    return forward
