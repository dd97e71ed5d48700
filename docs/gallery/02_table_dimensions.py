"""
How many dimensions does my table need?
=======================================

A table of 30 measurements of 569 tumours, which comes with scikit-learn. Some columns say nearly
the same (radius, perimeter, area). How many numbers are really in a row?
"""

# %%
# Columns of different units have to be standardised first: otherwise the column with the largest
# numbers is all that counts.
from sklearn.datasets import load_breast_cancer
from sklearn.preprocessing import StandardScaler

from damrep import DAMAutoencoder
from damrep.autoencoder.plotting import plot_components_curve

data = load_breast_cancer()
X = StandardScaler().fit_transform(data.data)
reducer = DAMAutoencoder(random_state=0).fit(X)
print(reducer.report_)

# %%
# The answer is ``n_components_``. Where several widths are as good within a standard error, the
# range says so.
reducer.n_components_, reducer.components_range_

# %%
# What the answer rests on
# ------------------------
# The curve is measured on rows that were held out. The dashed line is the price: where the curve
# falls less steeply than this line, a dimension no longer takes away its price.
import matplotlib.pyplot as plt

plot_components_curve(reducer)
plt.show()

# %%
# The price is the question
# -------------------------
# "How many dimensions?" has no answer without "how much may be lost?". The price says it: the share
# of the loss that a dimension must take away to be kept. A higher price never gives more
# dimensions.
for price in (0.05, 0.01, 0.001):
    fitted = DAMAutoencoder(price=price, hidden=(), random_state=0).fit(X)
    dims, share = fitted.n_components_, fitted.score(X)
    print(f"price {price:<6} {dims:>2} dimensions, {share:.1%} of the variance")

# %%
# Here ``hidden=()`` asked for a linear autoencoder alone, which is PCA with a curve of held-out
# rows: it takes no training. Or ask the other way round, for the fewest dimensions that explain a
# share of the variance:
most = DAMAutoencoder(n_components=0.95, hidden=(), random_state=0).fit(X)
most.n_components_

# %%
# When PCA is enough
# ------------------
# By default damrep fits the linear autoencoder and a network, and keeps what is cheaper on rows
# held out. A table that is bent shows why. Each row of this one is made of a single number, an
# angle, written down in ten columns. PCA needs four dimensions for it.
import numpy as np

rng = np.random.default_rng(0)
angle = rng.uniform(0, 1.5 * np.pi, 2000)
waves = np.c_[np.cos(angle), np.sin(angle), np.cos(2 * angle), np.sin(2 * angle)]
arc = waves @ rng.normal(size=(4, 10))
bent = DAMAutoencoder(price=0.02, random_state=0, max_epochs=60).fit(arc)
straight = DAMAutoencoder(price=0.02, hidden=(), random_state=0).fit(arc)
print(f"network {bent.n_components_}, linear {straight.n_components_}")
