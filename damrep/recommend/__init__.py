"""Recommenders: matrix factorisation that learns how many factors a catalogue needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from damrep.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from damrep.recommend.explicit import DAMExplicitMF
    from damrep.recommend.igmc.estimator import IGMC
    from damrep.recommend.implicit import DAMImplicitMF

__all__ = ["DAMExplicitMF", "DAMImplicitMF", "IGMC"]

__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "DAMExplicitMF": "damrep.recommend.explicit",
        "DAMImplicitMF": "damrep.recommend.implicit",
        "IGMC": "damrep.recommend.igmc.estimator",
    },
)
