"""Dimensionality reduction of tables that says how many dimensions it takes."""
