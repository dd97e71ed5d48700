"""The command `damrep`, one module a subcommand.

Nothing heavy is imported before a subcommand runs, so that `--help` answers at once.
"""

from __future__ import annotations

from damrep.cli.program import main

__all__ = ["main"]
