"""
How many factors has my catalogue?
==================================

A recommender describes every user and every item by some numbers, its factors. How many is usually
guessed. Here are ratings made with four tastes, so that it is known what should come out.
"""

# %%
# Ratings with four planted tastes
# --------------------------------
# 600 users rate a tenth of 400 films. A rating is what the user's four tastes make of the film, and
# some noise.
import numpy as np
import pandas as pd

rng = np.random.default_rng(0)
users, films, tastes = 600, 400, 4
likes, offers = rng.normal(size=(users, tastes)), rng.normal(size=(films, tastes))
user, film = np.nonzero(rng.random((users, films)) < 0.1)
rating = 3 + (likes[user] * offers[film]).sum(axis=1) / np.sqrt(tastes)
rating += 0.3 * rng.normal(size=len(rating))
ratings = pd.DataFrame({"user": user, "item": film, "rating": rating})
ratings.head()

# %%
# The fit
# -------
from damrep import DAMExplicitMF

model = DAMExplicitMF(random_state=0).fit(ratings)
print(model.report_)

# %%
# Four it is:
model.n_components_

# %%
# The curve tells it too: each of the four takes away its share, the fifth nothing.
import matplotlib.pyplot as plt

dims, losses = model.components_curve_.T
_, axes = plt.subplots()
axes.plot(dims[:13], losses[:13], marker="o")
axes.set_xlabel("factors")
axes.set_ylabel("held-out loss (1 = biases alone)")
plt.show()

# %%
# How good is it?
# ---------------
# Measured on ratings that the fit has not seen. The noise alone has a root mean squared error of
# 0.3.
from damrep.recommend.evaluate import evaluate
from damrep.recommend.splitting import train_test_split

train, test = train_test_split(ratings, random_state=0)
evaluate(DAMExplicitMF(random_state=0).fit(train), test)

# %%
# What to recommend
# -----------------
# Films that the user has not rated yet, the best first.
items, scores = model.recommend(0, n=5)
items, scores.round(2)

# %%
# A new user needs no new fit. A few ratings place them among the others:
mine = pd.DataFrame({"user": "me", "item": [3, 14, 15, 92, 65], "rating": [5, 1, 4, 2, 5]})
newcomers = model.fold_in(mine)
newcomers
