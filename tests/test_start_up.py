"""What an import brings along: nothing large that it doesn't need before a fit."""

from __future__ import annotations

import subprocess
import sys

import pytest

# Each takes a tenth of what torch takes, or more.
HEAVY = {
    "jinja2",
    "lightning_fabric",
    "matplotlib",
    "networkx",
    "pandas",
    "pyarrow",
    "scipy.interpolate",
    "scipy.optimize",
    "scipy.stats",
    "sklearn.decomposition",
    "sklearn.linear_model",
    "sklearn.metrics",
    "sklearn.pipeline",
    "sklearn.preprocessing",
    "torch._dynamo",
    "torch_geometric",
}
MODULES = [
    "damrep.autoencoder.estimator",
    "damrep.graph.estimator",
    "damrep.pruning.training",
    "damrep.recommend.explicit",
    "damrep.recommend.igmc.estimator",
    "damrep.recommend.implicit",
]


def _printed(program: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("module", MODULES)
def test_an_estimator_imports_little_beside_torch(module: str) -> None:
    found = _printed(f"import sys, {module}; print(*sys.modules)").split()
    assert "torch" in found
    assert not HEAVY & set(found)


def test_estimators_are_scikit_learns_all_the_same() -> None:
    program = (
        "import numpy as np\n"
        "from damrep import DAMAutoencoder\n"
        "model = DAMAutoencoder(hidden=(), random_state=0).set_output(transform='pandas')\n"
        "z = model.fit_transform(np.random.default_rng(0).normal(size=(50, 4)))\n"
        "import pandas, scipy.stats, sklearn.base\n"
        "assert isinstance(z, pandas.DataFrame) and isinstance(model, sklearn.base.BaseEstimator)\n"
        "assert scipy.stats.norm.cdf(0) == 0.5\n"
        "from sklearn.utils import fixes\n"
        "assert fixes.pd.DataFrame is pandas.DataFrame\n"
        "print(type(z).__name__)"
    )
    assert _printed(program) == "DataFrame"
