"""A fit as something to read: a table for the terminal (`summary`), an HTML page (`page`)."""
