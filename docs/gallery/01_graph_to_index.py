"""
Embed a graph and search it
===========================

A graph becomes a table of vectors: one row a node, near rows for nodes that belong together. Such a
table can be searched with SQL. Here are 1,797 handwritten digits, each joined to the ten images
most like it. Their pixels are the features of the nodes.
"""

# %%
# The graph
# ---------
# A graph may be a networkx graph, a scipy matrix, a data frame of edges and more;
# ``damrep.as_graph`` reads them all. This one is known by name.
import tempfile
from pathlib import Path

from damrep import DAMGraphEmbedding, datasets

graph = datasets.load("digits")
graph

# %%
# The embedding
# -------------
# ``fit_transform`` gives one row a node. How wide it is was not said: that is what is learned.
model = DAMGraphEmbedding(random_state=0, max_epochs=60)
vectors = model.fit_transform(graph)
vectors.shape

# %%
# The report says how many dimensions the representation had before the cut, what is left of the
# loss, and what one dimension more would have taken away.
print(model.report_)

# %%
# The curve behind it: the loss on nodes and edges that were held out, at every number of
# dimensions. It falls steeply at first. The cut is where one dimension more takes away less than
# its price.
import matplotlib.pyplot as plt

dims, losses = model.components_curve_.T
_, axes = plt.subplots()
axes.plot(dims, losses)
axes.axvline(model.n_components_, color="0.6", linestyle="--")
axes.set_xscale("log", base=2)
axes.set_xlabel("dimensions")
axes.set_ylabel("held-out loss (1 = nothing learned)")
plt.show()

# %%
# The index
# ---------
# The command ``damrep fit-embedding digits --out out`` would write ``embeddings.parquet``. In
# Python a frame does: DuckDB reads it where it stands. Cosine similarity is what the vectors are
# made for.
import duckdb
import numpy as np
import pandas as pd

table = pd.DataFrame({"node": np.arange(len(vectors)), "embedding": list(vectors)})
width = model.n_components_
duckdb.register("digits", table)
near = duckdb.sql(f"""
    WITH d AS (SELECT node, embedding::FLOAT[{width}] AS e FROM digits)
    SELECT b.node, array_cosine_similarity(a.e, b.e) AS score FROM d a, d b
    WHERE a.node = 0 AND b.node <> 0
    ORDER BY score DESC LIMIT 5
""").df()
near

# %%
# Image 0 is a zero. So are its five neighbours:
names = np.array(graph.label_names)
names[graph.labels[near["node"]]]

# %%
# Fewer dimensions later
# ----------------------
# Dimensions come in order of importance. The first eight columns are the embedding of eight
# dimensions, so an index can be made smaller without another fit. What this costs is in the curve
# above.
short = vectors[:, :8]
short.shape

# %%
# Keep the model
# --------------
# A saved model embeds further nodes by their edges to known ones. Rows come first of the nodes that
# the edges name, then of further nodes that the features name.
with tempfile.TemporaryDirectory() as folder:
    model.save(Path(folder) / "digits-model")
    again = DAMGraphEmbedding.load(Path(folder) / "digits-model")
pixels = pd.DataFrame([graph.features[0]], index=[1797], columns=graph.feature_names)
new = again.transform([(1797, 0), (1797, 30), (1797, 36)], features=pixels, join=True)
new.shape
