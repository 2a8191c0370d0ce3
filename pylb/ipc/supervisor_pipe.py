"""The connection between the supervisor and a child: words, and the knowledge that the other still lives.

A child tells each of its states; control is told those of the whole. When one side dies the other reads the
end of the connection: the supervisor starts another child, a child finishes what it has begun and ends.
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

    def tell(self, word: str) -> None:
        """Say a word; if nobody can hear it any more, that is noticed elsewhere."""
        with contextlib.suppress(OSError):
            self.end.send(f"{word}\n".encode())

    def hear(self) -> list[str] | None:
        """The words that have come since the last call; None if the other side is gone."""
        try:
            said = self.end.recv(4096)
        except BlockingIOError:
            return []
        except OSError:
            return None
        return said.decode().split() if said else None

    def wait(self) -> None:
        """Until there is a word to hear, or the other side is gone."""
        news = select.poll()
        news.register(self.end, select.POLLIN)
        news.poll()

    def listen(
        self, loop: AbstractEventLoop, words: Callable[[str], object], alone: Callable[[], object]
    ) -> None:
        """Have a loop call `words` with each word, and `alone` when the other side is gone."""

        def readable() -> None:
            heard = self.hear()
            if heard is None:
                loop.remove_reader(self.end)
                alone()
            for word in heard or ():
                words(word)

        loop.add_reader(self.end, readable)

    def close(self) -> None:
        """Let go of it."""
        self.end.close()
