"""The connection between the supervisor and a child process.

A child sends each of its states; control also receives the states of pylb as a whole. A message is one word.
When one side dies, the other reads the end of the connection: the supervisor starts a replacement, a child
finishes its requests and ends.
"""

from __future__ import annotations

import contextlib
import select
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

STARTING, PREPARED, SERVING, DRAINING = "starting", "prepared", "serving", "draining"


class SupervisorPipe:
    """One end.

    Args:
        end: of a socket pair.
    """

    def __init__(self, end: socket.socket) -> None:
        end.setblocking(False)
        self.end = end

    def send(self, word: str) -> None:
        """Send a word. A lost connection is not an error here: `receive` reports it."""
        with contextlib.suppress(OSError):
            self.end.send(f"{word}\n".encode())

    def receive(self) -> list[str] | None:
        """Return the words received since the last call; None if the other side has closed the pipe."""
        try:
            data = self.end.recv(4096)
        except BlockingIOError:
            return []
        except OSError:
            return None
        return data.decode().split() if data else None

    def wait(self) -> None:
        """Block until a word arrives or the other side closes."""
        poll = select.poll()
        poll.register(self.end, select.POLLIN)
        poll.poll()

    def listen(
        self, loop: AbstractEventLoop, on_word: Callable[[str], object], on_close: Callable[[], object]
    ) -> None:
        """Let an event loop call `on_word` with each word, and `on_close` when the other side closes."""

        def readable() -> None:
            words = self.receive()
            if words is None:
                loop.remove_reader(self.end)
                on_close()
            for word in words or ():
                on_word(word)

        loop.add_reader(self.end, readable)

    def close(self) -> None:
        """Close this end."""
        self.end.close()
