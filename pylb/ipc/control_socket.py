"""The control socket, over which workers connect to control. It exists as long as the supervisor.

A worker creates a socket pair and sends one end over the control socket. The running control process accepts
it; without one, the end stays in the socket's queue for the next control process. The order of the starts
therefore does not matter, and there is no name to which other programs could connect.
"""

from __future__ import annotations

import socket
from dataclasses import asdict, dataclass

import orjson

HELLO_SIZE = 4096
"""Maximum length of the first message of a worker, in bytes."""


@dataclass(frozen=True, slots=True)
class Hello:
    """The first message of a worker, which identifies it."""

    name: str
    pid: int
    generation: int
    row: int
    """The worker's row in the shared memory."""


def control_socket() -> tuple[socket.socket, socket.socket]:
    """Create the control socket. Returns the end for control and the end for workers."""
    ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for end in ends:
        end.setblocking(False)
    return ends


def connect(control_socket: socket.socket, hello: Hello) -> socket.socket:
    """Send one end of a new socket pair to control, and return the other end.

    Raises:
        BlockingIOError: the queue of the control socket is full.
        ConnectionError: the control socket is closed, because control and the supervisor have ended.
    """
    ours, theirs = socket.socketpair()
    with theirs:
        try:
            socket.send_fds(control_socket, [orjson.dumps(asdict(hello))], [theirs.fileno()])
        except OSError:
            ours.close()
            raise
    return ours


def accept(control_socket: socket.socket) -> tuple[Hello, socket.socket] | None:
    """Accept the next worker; None if none is waiting.

    Raises:
        ConnectionError: no worker can connect, because all workers and the supervisor have ended.
    """
    try:
        content, ends, _, _ = socket.recv_fds(control_socket, HELLO_SIZE, 1)
    except BlockingIOError:
        return None
    if not content:
        raise ConnectionError("the control socket is at EOF")
    return Hello(**orjson.loads(content)), socket.socket(fileno=ends[0])
