"""Compact embeddings of graphs."""
