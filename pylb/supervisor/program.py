"""How to run this very program once more, with the code that is on disk by then."""

from __future__ import annotations

import sys
from collections.abc import Sequence


def command(role: str, arguments: Sequence[str]) -> list[str]:
    """The command line for a process that does `role` with these arguments of the user's.

    The interpreter gets the options that it was given now (`-X`, `-O`, `-m pylb` or the path of a script), so
    that the other process finds the same code in the same way.
    """
    interpreter = sys.orig_argv[1 : len(sys.orig_argv) - len(sys.argv) + 1]
    return [sys.executable, *interpreter, role, *arguments]


def arguments() -> list[str]:
    """What the user typed, without the name of the command."""
    given = sys.argv[1:]
    return given if not given or given[0].startswith("-") else given[1:]
