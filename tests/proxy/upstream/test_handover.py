"""The descriptor of a connected socket has one owner before the hand-over, and another one after it."""

import asyncio
import os
import socket

import pytest

from pylb.proxy.upstream.handover import hand_over
from tests.until import until


class RetainedSocket(asyncio.Protocol):
    def __init__(self):
        self.transport = None
        self.lost = False

    def connection_made(self, transport):
        self.transport = transport

    def connection_lost(self, exc):
        self.lost = True


async def test_after_the_handover_only_the_loop_closes_the_descriptor():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        near = socket.create_connection(listening.getsockname())
        far, _ = listening.accept()
    descriptor = near.fileno()
    retained = RetainedSocket()
    hand_over(near, retained)
    near.close()
    os.fstat(descriptor)
    await until(lambda: retained.transport)
    retained.transport.write(b"hello")
    assert far.recv(100) == b"hello"
    retained.transport.abort()
    await until(lambda: retained.lost)
    assert far.recv(100) == b""
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)
    far.close()


async def test_after_a_failed_handover_the_socket_object_owns_the_descriptor():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        with pytest.raises(ValueError, match="Stream Socket"):
            hand_over(datagrams, RetainedSocket())
        os.fstat(datagrams.fileno())
