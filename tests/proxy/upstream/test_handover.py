"""The descriptor of a connected socket has one owner before the hand-over, and another one after it."""

import asyncio
import os
import socket

import pytest

from pylb.proxy.upstream.handover import hand_over
from tests.until import until


class Held(asyncio.Protocol):
    def __init__(self):
        self.transport = None
        self.lost = False

    def connection_made(self, transport):
        self.transport = transport

    def connection_lost(self, exc):
        self.lost = True


async def test_the_loop_owns_the_descriptor_and_the_socket_object_closes_nothing_any_more():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        near = socket.create_connection(listening.getsockname())
        far, _ = listening.accept()
    descriptor = near.fileno()
    retained = Held()
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


async def test_what_the_loop_refuses_stays_the_sockets():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        with pytest.raises(ValueError, match="Stream Socket"):
            hand_over(datagrams, Held())
        os.fstat(datagrams.fileno())
