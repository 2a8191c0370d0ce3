"""The root of this repository, and commands that run its modules.

A module that a measurement runs in a separate process is started by `module_command`, so that the process
imports this checkout from any working directory.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from bench.lib.server import Command

REPOSITORY = Path(__file__).parents[2]


def module_command(module: str, *arguments: str, descriptors: Sequence[int] = ()) -> Command:
    """The command that runs a module with this interpreter.

    Args:
        module: its dotted name.
        arguments: its command line.
        descriptors: open files that the process inherits under the same numbers.
    """
    return Command([sys.executable, "-m", module, *arguments], {"PYTHONPATH": str(REPOSITORY)}, descriptors)
