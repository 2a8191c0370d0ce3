"""HTTP/1 on a connection to a backend: what its heads mean for the body and for the next request."""

import socket
import threading
from contextlib import suppress
from types import SimpleNamespace

import pytest

from pylb.config.clients import Limits
from pylb.errors import ProxyError
from pylb.http1.body import Chunked, Sized, UntilClose
from pylb.http1.head_cache import ResponseReader
from pylb.http1.parser import Request
from pylb.model import Endpoint
from pylb.policy.backend import Backend
from pylb.proxy.batch import WriteBatch
from pylb.proxy.upstream.h1 import H1Upstream
from tests.environment import HOST, Environment
from tests.policy.backends import endpoint


def upstream(*arrived):
    made = H1Upstream(Backend(endpoint(1)), None, WriteBatch(print), ResponseReader(Limits()))
    made.recv_buffer = b"".join(arrived)
    return made


def request(method=b"GET"):
    return Request(method, b"/", 1, b"\n")


REUSED, SETTLES, NEVER = (True, False), (False, True), (False, False)
"""Whether a connection can be reused at once, and whether after a pause."""


@pytest.mark.parametrize(
    ("method", "status", "fields", "body", "reuse"),
    [
        (b"GET", b"200", b"Content-Length: 5\r\n", (5, Sized), REUSED),
        (b"GET", b"200", b"Content-Length: 5\r\nConnection: close\r\n", (5, Sized), NEVER),
        (b"GET", b"200", b"Transfer-Encoding: chunked\r\n", (-1, Chunked), REUSED),
        (b"GET", b"200", b"", (-1, UntilClose), NEVER),
        (b"HEAD", b"200", b"Content-Length: 5\r\n", (0, Sized), SETTLES),
        (b"HEAD", b"200", b"Transfer-Encoding: chunked\r\n", (0, Sized), SETTLES),
        (b"HEAD", b"200", b"Content-Length: 5\r\nConnection: close\r\n", (0, Sized), NEVER),
        (b"HEAD", b"200", b"", (0, Sized), REUSED),
        (b"GET", b"304", b"Content-Length: 5\r\n", (0, Sized), SETTLES),
        (b"GET", b"204", b"Transfer-Encoding: chunked\r\n", (0, Sized), NEVER),
        (b"GET", b"204", b"", (0, Sized), REUSED),
    ],
)
def test_a_final_head_decides_over_the_body_and_the_connection(method, status, fields, body, reuse):
    connection = upstream(b"HTTP/1.1 %b OK\r\n%b\r\nrest" % (status, fields))
    response = connection.read_head(request(method))
    assert (response.status, response.interim) == (int(status), False)
    assert connection.recv_buffer == b"rest"
    assert (connection.length, type(connection.decoder(response))) == body
    assert (connection.reusable, connection.settles) == reuse


@pytest.mark.parametrize(("fields", "reusable"), [(b"", True), (b"Transfer-Encoding: chunked\r\n", False)])
@pytest.mark.parametrize("method", [b"GET", b"HEAD"])
def test_interim_heads_come_before_the_final_one_and_have_no_body(method, fields, reusable):
    final = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    connection = upstream(b"HTTP/1.1 103 Early Hints\r\n%b\r\n" % fields, final)
    interim = connection.read_head(request(method))
    assert (interim.status, interim.interim) == (103, True)
    assert connection.read_head(request(method)).status == 200
    assert connection.read_head(request(method)) is None
    assert (connection.reusable, connection.settles) == (reusable, False)


def test_a_switch_of_protocols_is_final():
    connection = upstream(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: a\r\n\r\n")
    assert not connection.read_head(request()).interim


@pytest.mark.parametrize("arrived", [b"", b"HTTP/1.", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n"])
def test_a_head_that_has_not_arrived_completely_is_not_consumed(arrived):
    connection = upstream(arrived)
    assert connection.read_head(request()) is None
    assert connection.recv_buffer == arrived


@pytest.mark.parametrize(
    "arrived", [b"SSH-2.0", b"HTTP/1.1 200 OK\nA: b\n", b"HTTP/1.1 200 OK\r\nA B: c\r\n\r\n"]
)
def test_an_invalid_partial_head_is_rejected_immediately(arrived):
    connection = upstream(arrived)
    with pytest.raises(ProxyError) as caught:
        connection.read_head(request())
    assert caught.value.status == 502
    assert connection.recv_buffer == arrived


def answer_early(listening):
    """Answer before the body was read, and close on it: the kernel sends a reset after the answer."""
    with suppress(OSError):
        while True:
            connection, _ = listening.accept()
            with connection:
                head = b""
                while b"\r\n\r\n" not in head:
                    head += connection.recv(65536)
                connection.sendall(
                    b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig"
                )


async def test_an_early_response_is_received_although_the_connection_broke():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        backend = threading.Thread(target=answer_early, args=[listening])
        backend.start()
        async with Environment() as environment:
            environment.register(Endpoint("web", *listening.getsockname(), id="web-1"))
            for _ in range(20):
                client = await environment.client()
                client.send(
                    b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 5000000\r\n\r\n" + bytes(5_000_000)
                )
                status, _, body = await client.answer()
                assert (status, body) == (413, b"big")
        listening.shutdown(socket.SHUT_RDWR)
        backend.join()


def test_a_connection_whose_transport_has_released_its_socket_is_readable():
    """A TLS transport releases the socket before it reports the end."""
    connection = upstream()
    connection.transport = SimpleNamespace(get_extra_info=lambda _: None)
    assert connection.readable()
