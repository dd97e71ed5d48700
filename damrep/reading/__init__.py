"""Files and frames as columns: one floor under graphs, tables and ratings.

What an application reads goes through here, so a separator, a header, a decimal comma, an id or a
damaged archive is understood once, and named in one way where it cannot be used.

- `files`: whether there is a file, how it is packed, its bytes;
- `dialect`, `text_head`, `layout_finding`, `layout`, `line_chunks`: how a text file is written, and
  its rows;
- `opening`, `tables`, `text_tables`, `arrow_tables`, `cells`: columns, read when asked for;
- `written_numbers`, `dates`, `totals`: what people write in cells;
- `headers`, `names`: whether a first row names the columns, and which column is which;
- `ids`, `text_ids`, `id_columns`: names of nodes, users, items and rows;
- `arrays`, `matrix_market`: .npy and .npz, never unpickled, and .mtx;
- `frames`, `in_memory`: data frames of any library.
"""
