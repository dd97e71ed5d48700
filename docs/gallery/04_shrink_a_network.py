"""
Shrink a convolutional network
==============================

How wide should each layer of a network be? Train it once: channels that do not earn their place are
closed while it is trained, then cut out. What is left is an ordinary, smaller network. This needs
``pip install 'damrep[pruning]'``.
"""

# %%
# Data and network
# ----------------
# scikit-learn's 8 x 8 digits, and a network that is wider than they need.
import tempfile
from pathlib import Path

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from damrep import prune
from damrep.pruning import load_compact, save_compact

torch.manual_seed(0)
digits = load_digits()
images = torch.tensor(digits.images[:, None] / 16, dtype=torch.float32)
targets = torch.tensor(digits.target)
shuffled = torch.randperm(len(images))
train, test = shuffled[:1400], shuffled[1400:]
batches = DataLoader(TensorDataset(images[train], targets[train]), batch_size=64, shuffle=True)


def build() -> nn.Module:
    """The network as somebody would have written it."""
    return nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1),
        nn.BatchNorm2d(32),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(32, 32, 3, padding=1),
        nn.BatchNorm2d(32),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(32, 10),
    )


# %%
# Train and cut
# -------------
# ``target={"flops": 0.4}`` asks for two fifths of the computation. Without a target a price
# decides.
result = prune(
    build(),
    batches,
    None,
    nn.functional.cross_entropy,
    lambda weights: torch.optim.Adam(weights, lr=0.01),
    epochs=8,
    target={"flops": 0.4},
    random_state=0,
)
print(result.report_)

# %%
# What is left
# ------------
# A plain network. Nothing of damrep is in it, and no fine-tuning is needed.
small = result.model.eval()
print(small)

# %%
# Right on images it has not seen:
with torch.no_grad():
    found = small(images[test]).argmax(dim=1)
float((found == targets[test]).float().mean())

# %%
# Keep it
# -------
# The folder holds the cuts and the weights, no code. ``build`` makes the original network, and the
# cuts are made again on it.
with tempfile.TemporaryDirectory() as folder:
    save_compact(small, Path(folder) / "small")
    again = load_compact(Path(folder) / "small", build).eval()
with torch.no_grad():
    same = torch.equal(again(images[test]), small(images[test]))
same
