"""Learn how many dimensions an embedding needs.

`DAM` is a layer that learns its own width; `DAMGraphEmbedding` and `DAMAutoencoder` are estimators
that embed the nodes of a graph (`as_graph` reads one) and reduce a table, `DAMExplicitMF`,
`DAMImplicitMF` and `IGMC` recommenders; `prune`, or `ChannelPruner` with `MaskSchedule`, make
convolutional networks smaller. They are imported on first use, so that `import damrep` alone loads
no torch.

Examples
--------
>>> import damrep
>>> damrep.DAM(8).n_active
8
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from damrep.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from damrep.autoencoder.estimator import DAMAutoencoder
    from damrep.graph.data.convert import as_graph
    from damrep.graph.estimator import DAMGraphEmbedding
    from damrep.masking.dam import DAM
    from damrep.masking.notes import DamrepWarning
    from damrep.masking.report import FitReport, learned_dimensions
    from damrep.masking.validation import InputError
    from damrep.pruning.masked import MaskSchedule
    from damrep.pruning.pruner import ChannelPruner
    from damrep.pruning.schedule import PruningSchedule
    from damrep.pruning.training import prune
    from damrep.recommend.explicit import DAMExplicitMF
    from damrep.recommend.igmc.estimator import IGMC
    from damrep.recommend.implicit import DAMImplicitMF

__version__ = "0.1.0"

__all__ = [
    "ChannelPruner",
    "DAM",
    "DAMAutoencoder",
    "DAMExplicitMF",
    "DAMGraphEmbedding",
    "DAMImplicitMF",
    "DamrepWarning",
    "FitReport",
    "IGMC",
    "InputError",
    "MaskSchedule",
    "PruningSchedule",
    "__version__",
    "as_graph",
    "learned_dimensions",
    "prune",
]

_HOMES = {
    "ChannelPruner": "damrep.pruning.pruner",
    "DAM": "damrep.masking.dam",
    "DAMAutoencoder": "damrep.autoencoder.estimator",
    "DAMExplicitMF": "damrep.recommend.explicit",
    "DAMGraphEmbedding": "damrep.graph.estimator",
    "DAMImplicitMF": "damrep.recommend.implicit",
    "DamrepWarning": "damrep.masking.notes",
    "FitReport": "damrep.masking.report",
    "IGMC": "damrep.recommend.igmc.estimator",
    "InputError": "damrep.masking.validation",
    "MaskSchedule": "damrep.pruning.masked",
    "PruningSchedule": "damrep.pruning.schedule",
    "as_graph": "damrep.graph.data.convert",
    "learned_dimensions": "damrep.masking.report",
    "prune": "damrep.pruning.training",
}

__getattr__, __dir__ = lazy_exports(__name__, _HOMES)
