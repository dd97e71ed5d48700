"""`python -m damrep` is the command `damrep`."""

from __future__ import annotations

from damrep.cli import main

main()
