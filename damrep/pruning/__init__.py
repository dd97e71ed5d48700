"""Channel pruning: train once, receive a plain, smaller convolutional network."""

from __future__ import annotations

from damrep.pruning.groups import ChannelGroup
from damrep.pruning.masked import MaskSchedule
from damrep.pruning.pruner import ChannelPruner
from damrep.pruning.report import PruningPlan, PruningReport
from damrep.pruning.schedule import PruningSchedule
from damrep.pruning.storage import load_compact, save_compact
from damrep.pruning.training import PruningResult, prune

__all__ = [
    "ChannelGroup",
    "ChannelPruner",
    "MaskSchedule",
    "PruningPlan",
    "PruningReport",
    "PruningResult",
    "PruningSchedule",
    "load_compact",
    "prune",
    "save_compact",
]
