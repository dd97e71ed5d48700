"""Recommenders: matrix factorisation that learns how many factors a catalogue needs."""

from __future__ import annotations
