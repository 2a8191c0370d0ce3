"""The end of a client's connection: what it still sends is discarded, and what was written reaches it.

A close while the client still sends makes the kernel answer with a reset, which destroys an answer on its way
(RFC 9112 section 9.6). Most clients read the answer only after they have sent the whole request.
"""

from __future__ import annotations

import sys
from math import inf
from time import monotonic

from pylb.proxy.client_connection import ClientConnection
from pylb.proxy.transfer import EVENT, writable


async def linger(client: ClientConnection) -> None:
    """Read and discard what a client sends after its last answer, while it makes progress.

    It may send for `Timeouts.linger` seconds in all, and be silent for `Timeouts.linger_silence` seconds
    (nginx: `lingering_time`, `lingering_timeout`).
    """
    now, timeouts = monotonic(), client.context.timeouts
    client.set_deadline(now, min(timeouts.linger, timeouts.linger_silence))
    client.latest_deadline = now + timeouts.linger
    client.lingering = True
    while not (client.lost or client.expired):
        await EVENT
    client.lingering = False
    client.latest_deadline = inf


async def close(client: ClientConnection) -> None:
    """Close a connection once the client has read what was written, or does not go on reading."""
    if client.lost:
        return
    client.discarding = True
    client.flush()
    transport, timeout = client.transport, client.context.timeouts.body
    if transport.get_extra_info("ssl_object") is not None:
        await _until_written(client, timeout)
    unwritten = transport.get_write_buffer_size()
    transport.close()
    client.set_deadline(monotonic(), timeout)  # What is still to be written has this long to go out.
    client.taken = client.acknowledged() if unwritten else sys.maxsize  # To ask costs as much as a request.
    while not client.lost:
        if client.expired and not client.makes_progress():
            client.reset()
        await EVENT


async def _until_written(client: ClientConnection, timeout: float) -> None:
    """Wait until the kernel has all that was written, while the client reads.

    The loop cuts TLS off some time after its end has begun, whatever it still has to write, and has no way to
    show what that is. But as long as it has something, the kernel does not take more. The kernel is asked in
    each sweep: no event says when it has taken the last bytes.
    """
    client.set_deadline(monotonic(), timeout)
    client.taken = client.acknowledged()
    flushing = client.context.flushing
    while not client.lost and _has_unwritten(client):
        if client.expired and not client.makes_progress():
            break
        flushing.add(client)
        await EVENT
    flushing.discard(client)


def _has_unwritten(client: ClientConnection) -> bool:
    """Whether the kernel has not taken all that was written."""
    connection = client.kernel_socket()
    if connection is None:
        return False
    return client.transport.get_write_buffer_size() > 0 or not writable(connection)
