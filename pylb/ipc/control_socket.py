"""How workers find control, and find it again: a mailbox that exists as long as the supervisor does.

A worker makes a socket pair and puts one end into the mailbox. A control that lives takes it out; if there is
none at the moment, the end waits there for the next one. So nobody needs to know who was started first, and
nothing has a name that others could connect to.
"""

from __future__ import annotations

import socket
from dataclasses import asdict, dataclass

import orjson

GREETING = 4096
"""Bytes that a worker may need to say who it is."""


@dataclass(frozen=True, slots=True)
class Hello:
    """Who wants to be told about changes."""

    name: str
    pid: int
    generation: int
    row: int
    """Its own in the shared memory."""


def control_socket() -> tuple[socket.socket, socket.socket]:
    """Make one; return the end for control, and the end for workers."""
    ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for end in ends:
        end.setblocking(False)
    return ends


def connect(control_socket: socket.socket, greeting: Hello) -> socket.socket:
    """Leave one end of a new socket pair for control; return the other.

    Raises:
        BlockingIOError: the mailbox is full.
        ConnectionError: there is no mailbox any more: control and the supervisor are gone.
    """
    ours, theirs = socket.socketpair()
    with theirs:
        try:
            socket.send_fds(control_socket, [orjson.dumps(asdict(greeting))], [theirs.fileno()])
        except OSError:
            ours.close()
            raise
    return ours


def accept(control_socket: socket.socket) -> tuple[Hello, socket.socket] | None:
    """Take the next end out of the mailbox; None if it is empty.

    Raises:
        ConnectionError: nobody can come any more: all workers and the supervisor are gone.
    """
    try:
        content, ends, _, _ = socket.recv_fds(control_socket, GREETING, 1)
    except BlockingIOError:
        return None
    if not content:
        raise ConnectionError("the mailbox has no other side any more")
    return Hello(**orjson.loads(content)), socket.socket(fileno=ends[0])
