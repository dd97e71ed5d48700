"""
A mask in a model of your own
=============================

``DAM`` is a layer. Put it where the width is in question, and let a price decide how many units
stay open. Here it says how wide a layer of a small classifier has to be, in a training loop that
you write yourself.
"""

# %%
# The data
# --------
# Digits again, a part of them held out.
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn

from damrep import DAM, learned_dimensions
from damrep.masking import GradientWidth, compact_sequential

torch.manual_seed(0)
pixels, classes = load_digits(return_X_y=True)
x, x_test, y, y_test = (
    torch.tensor(part)
    for part in train_test_split((pixels / 16).astype("float32"), classes, random_state=0)
)

# %%
# The mask
# --------
# 64 units, and a ``DAM(64)`` behind them. A gate multiplies every unit: 0 is closed. The gates
# share one learned number, the offset, so units close in a fixed order.
model = nn.Sequential(nn.Linear(64, 64), DAM(64), nn.Linear(64, 10))

# %%
# The price
# ---------
# A price needs a unit. The loss of knowing nothing is that of guessing each class by how often it
# comes; divided by it, a loss of 1 means "nothing learned" and a price of 0.01 is one hundredth of
# all there is to learn.
frequency = torch.bincount(y) / len(y)
nothing_known = -(frequency * frequency.log()).sum()
width = GradientWidth(model, price=0.01)

# %%
# The loop
# --------
# An ordinary loop with three additions: the penalty in the loss, and a call before and after each
# step.
optimiser = torch.optim.AdamW(width.parameter_groups(lr=1e-2, weight_decay=1e-3, beta_lr=1e-2))
open_units = []
for _ in range(1500):
    batch = torch.randint(len(x), (128,))
    loss = nn.functional.cross_entropy(model(x[batch]), y[batch]) / nothing_known
    optimiser.zero_grad()
    (loss + width.extra_loss()).backward()
    width.before_step()
    optimiser.step()
    width.after_step()
    open_units.append(learned_dimensions(model).learned)

print(learned_dimensions(model))

# %%
# How many units were open while it was trained:
import matplotlib.pyplot as plt

_, axes = plt.subplots()
axes.plot(open_units)
axes.set_xlabel("step")
axes.set_ylabel("open units of 64")
plt.show()

# %%
# The cut
# -------
# ``compact_sequential`` cuts the closed units out of both neighbours. The plain network that is
# left computes the same.
small = compact_sequential(model)
with torch.no_grad():
    apart = float((small(x_test) - model(x_test)).abs().max())
    right = float((small(x_test).argmax(dim=1) == y_test).float().mean())
print(small, f"largest difference {apart:.1e}, right {right:.1%}", sep="\n")

# %%
# ``GradientWidth`` is the mask as the paper has it, with its penalty in units of the price. Where
# the width is the main question, `damrep.masking.MaskStrategy` trains at widths drawn anew for each
# batch, and rows held out decide: that is what `damrep.DAMAutoencoder` uses.
