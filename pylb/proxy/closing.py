"""Closing a client connection: pylb discards what the client still sends, and delivers what was written.

A close while the client still sends makes the kernel answer with a reset, which destroys a response in
transit (RFC 9112 section 9.6). Most clients read the response only after they have sent the whole request.
"""

from __future__ import annotations

import sys
from math import inf
from time import monotonic

from pylb.proxy.client_connection import ClientConnection
from pylb.proxy.transfer import EVENT, writable


async def linger(client: ClientConnection) -> None:
    """Read and discard what a client sends after its last response, while it makes progress.

    It may send for `Context.linger` seconds in all, and be silent for `Context.linger_silence` seconds
    (nginx: `lingering_time`, `lingering_timeout`).
    """
    now, context = monotonic(), client.context
    client.set_deadline(now, min(context.linger, context.linger_silence))
    client.latest_deadline = now + context.linger
    client.lingering = True
    while not (client.lost or client.expired):
        await EVENT
    client.lingering = False
    client.latest_deadline = inf


async def close(client: ClientConnection) -> None:
    """Close a connection once the client has read what was written, or has stopped reading."""
    if client.lost:
        return
    client.discarding = True
    client.flush()
    transport, timeout = client.transport, client.context.timeouts.body_timeout
    if transport.get_extra_info("ssl_object") is not None:
        await _until_written(client, timeout)
    unwritten = transport.get_write_buffer_size()
    transport.close()
    client.set_deadline(monotonic(), timeout)  # The time limit for pending bytes.
    client.taken = (
        client.acknowledged() if unwritten else sys.maxsize
    )  # The system call costs as much as a request.
    while not client.lost:
        if client.expired and not client.makes_progress(client.context.quota):
            client.reset()
        await EVENT


async def _until_written(client: ClientConnection, timeout: float) -> None:
    """Wait until the kernel has all that was written, while the client reads.

    The loop aborts a TLS connection some time after its shutdown has begun, even with bytes to write, and
    does not expose how many these are. But while it has any, the socket is not writable. Each sweep checks
    the socket, because no event reports that the kernel has accepted the last bytes.
    """
    client.set_deadline(monotonic(), timeout)
    client.taken = client.acknowledged()
    flushing = client.context.flushing
    while not client.lost and _has_unwritten(client):
        if client.expired and not client.makes_progress(client.context.quota):
            break
        flushing.add(client)
        await EVENT
    flushing.discard(client)


def _has_unwritten(client: ClientConnection) -> bool:
    """Return whether the kernel has not yet accepted all written bytes."""
    connection = client.kernel_socket()
    if connection is None:
        return False
    return client.transport.get_write_buffer_size() > 0 or not writable(connection)
