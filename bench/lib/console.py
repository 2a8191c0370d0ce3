"""The console that a command prints its result to.

Output to a terminal has the terminal's width. Output to a file or a pipe has a fixed width, so that tables do
not wrap.
"""

from __future__ import annotations

import sys

from rich.console import Console

PAPER_WIDTH = 110
"""Columns of output that does not go to a terminal."""


def output_console(width: int = PAPER_WIDTH) -> Console:
    """The console for standard output.

    Args:
        width: columns, if standard output is not a terminal.
    """
    return Console() if sys.stdout.isatty() else Console(width=width)
