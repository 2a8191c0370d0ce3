"""Run copies of a program, each with one inherited listening socket, as systemd's socket activation does.

`python -m bench.lib.socket_activation DESCRIPTOR,... PROGRAM ARGUMENT...` starts one copy per descriptor. The
descriptors must be open in this process. Each copy receives its socket as sd_listen_fds(3) defines. SIGTERM
is forwarded to all copies.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress

FIRST = 3
"""The descriptor number of the first inherited socket."""


def start_copy(descriptor: int, argv: list[str]) -> int:
    """Start a copy and return its pid."""
    child = os.fork()
    if not child:
        os.dup2(descriptor, FIRST)
        os.environ |= {"LISTEN_FDS": "1", "LISTEN_PID": str(os.getpid())}
        os.execv(argv[0], argv)
    return child


def main() -> None:
    """Start all copies and wait until they have ended."""
    descriptors, *argv = sys.argv[1:]
    children = [start_copy(int(each), argv) for each in descriptors.split(",")]

    def end(number: int, _frame: object) -> None:
        for child in children:
            with suppress(ProcessLookupError):
                os.kill(child, number)

    signal.signal(signal.SIGTERM, end)
    for child in children:
        os.waitpid(child, 0)


if __name__ == "__main__":
    main()
