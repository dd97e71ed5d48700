"""Graphs in memory, and everything they are read from."""
