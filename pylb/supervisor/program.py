"""The command line to start this program again, with the code on disk at that time."""

from __future__ import annotations

import sys
from collections.abc import Sequence


def command(role: str, arguments: Sequence[str]) -> list[str]:
    """Return the command line of a process for `role` with these arguments of the user.

    The interpreter gets the same options as this one (`-X`, `-O`, `-m pylb` or the path of a script), so that
    the other process imports the same code.
    """
    interpreter = sys.orig_argv[1 : len(sys.orig_argv) - len(sys.argv) + 1]
    return [sys.executable, *interpreter, role, *arguments]


def arguments() -> list[str]:
    """Return the arguments of the user, without the name of the command."""
    given = sys.argv[1:]
    return given if not given or given[0].startswith("-") else given[1:]
