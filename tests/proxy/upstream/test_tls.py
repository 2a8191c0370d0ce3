"""TLS on the backends' side, with real handshakes."""

import asyncio
import socket
import ssl
import threading
from contextlib import suppress
from dataclasses import replace
from time import monotonic

import pytest

from pylb.config.backends import BackendConnections
from pylb.errors import StartError
from pylb.http1.body import chunk, last_chunk
from pylb.model import Endpoint
from pylb.proxy.transfer import CHUNKS_AT_ONCE
from pylb.proxy.upstream.tls import UpstreamTls
from tests.certificates import Authority
from tests.environment import HOST, Environment, answers, read_chunks, read_request
from tests.every import every
from tests.until import until

ENDPOINT = Endpoint("web", "10.0.0.1", 443)


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def context(authority):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.sign("backend.example", "127.0.0.1"))
    return context


async def secured(environment, context, handler, **changes):
    """A backend behind TLS in the environment's pool."""
    server = await asyncio.start_server(handler, "127.0.0.1", 0, ssl=context)
    endpoint = Endpoint("web", "127.0.0.1", server.sockets[0].getsockname()[1], id="secure")
    environment.register(replace(endpoint, **changes))
    return server


async def test_requests_use_persistent_tls_connections(authority, context):
    asked = []
    context.sni_callback = lambda connection, name, _: asked.append(name)
    async with Environment(
        context={
            "tls": UpstreamTls(BackendConnections(upstream_tls=True, upstream_tls_ca=authority.certificate))
        }
    ) as environment:
        server = await secured(environment, context, answers(b"hello"))
        client = await environment.client()
        for method in (b"GET", b"POST", b"GET"):
            client.send(method + b" / HTTP/1.1\r\n" + HOST + b"Content-Length: 2\r\n\r\nhi")
            assert (await client.answer())[2] == b"hello"
        assert len(asked) == 1
        server.close()


async def test_metadata_sets_tls_and_its_name_for_one_backend(authority, context):
    asked = []
    context.sni_callback = lambda connection, name, _: asked.append(name)
    async with Environment(
        context={"tls": UpstreamTls(BackendConnections(upstream_tls_ca=authority.certificate))}
    ) as environment:
        server = await secured(environment, context, answers(b"hello"), tls=True, tls_name="backend.example")
        assert (await environment.get())[2] == b"hello"
        assert asked == ["backend.example"]
        server.close()


@pytest.mark.parametrize(
    ("settings", "status"),
    [
        ({"upstream_tls_name": "other.example"}, 503),
        ({"upstream_tls_ca": None}, 503),
        ({"upstream_tls_ca": None, "upstream_tls_verify": False}, 200),
    ],
)
async def test_a_backend_with_a_wrong_certificate_receives_no_request(authority, context, settings, status):
    heads = []

    async def handle(reader, writer):
        while head := await read_request(reader):
            heads.append(head)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    tls = UpstreamTls(
        BackendConnections(**{"upstream_tls": True, "upstream_tls_ca": authority.certificate, **settings})
    )
    async with Environment(context={"tls": tls}) as environment:
        server = await secured(environment, context, handle)
        assert (await environment.get())[0] == status
        assert len(heads) == (1 if status == 200 else 0)
        if status == 503:
            assert "verify failed" in environment.records[0].detail.lower()
        server.close()


async def test_a_backend_without_tls_is_a_503(authority):
    async def handle(reader, writer):
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")

    async with Environment(
        context={
            "tls": UpstreamTls(BackendConnections(upstream_tls=True, upstream_tls_ca=authority.certificate))
        }
    ) as environment:
        await environment.origin(handle)
        assert (await environment.get())[0] == 503


async def test_a_handshake_that_takes_too_long_is_a_504(authority):
    async def handle(reader, writer):
        await reader.read(-1)

    tls = UpstreamTls(BackendConnections(upstream_tls=True, upstream_tls_ca=authority.certificate))
    async with Environment(context={"tls": tls}, connect_timeout=0.2) as environment:
        origin = await environment.origin(handle)
        assert (await environment.get())[0] == 504
        await until(lambda: origin.open == 0)


async def test_a_client_certificate_is_sent_to_backends(authority, context):
    asking = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=authority.certificate)
    asking.verify_mode = ssl.CERT_REQUIRED
    asking.load_cert_chain(*authority.sign("127.0.0.1", stem="asking"))
    settings = {"upstream_tls": True, "upstream_tls_ca": authority.certificate}
    chain, key = authority.sign("pylb")
    shown = {"upstream_tls_cert": chain, "upstream_tls_key": key}
    for shows, status in ((shown, 200), ({}, 502)):
        async with Environment(
            context={"tls": UpstreamTls(BackendConnections(**settings, **shows))}
        ) as environment:
            server = await secured(environment, asking, answers(b"hello"))
            assert (await environment.get())[0] == status
            server.close()


@every(
    ("options", "endpoint", "name"),
    [
        ({}, {}, ""),
        ({"upstream_tls": True}, {}, "10.0.0.1"),
        ({"upstream_tls": True, "upstream_tls_name": "all.example"}, {}, "all.example"),
        ({}, {"tls": True}, "10.0.0.1"),
        ({"upstream_tls": True}, {"tls": False}, ""),
        ({"upstream_tls": True, "upstream_tls_name": "all.example"}, {"tls_name": "a.example"}, "a.example"),
        ({}, {"tls_name": "a.example"}, ""),
    ],
)
def test_selection_of_tls_and_its_name(options, endpoint, name):
    assert UpstreamTls(BackendConnections(**options)).name_of(replace(ENDPOINT, **endpoint)) == name


def test_a_probe_uses_the_context_and_the_name_of_a_backend_with_tls():
    tls = UpstreamTls(BackendConnections())
    assert tls.of(replace(ENDPOINT, tls=True, tls_name="a.example")) == (tls.context, "a.example")
    assert tls.of(replace(ENDPOINT, tls=False)) is None


def test_an_invalid_file_is_a_one_line_error():
    with pytest.raises(StartError, match="--upstream-tls: "):
        UpstreamTls(BackendConnections(upstream_tls=True, upstream_tls_ca="/nowhere.pem")).check_files()


async def test_no_chunk_is_lost_when_the_backend_ends_tls_before_they_are_decoded(authority, context):
    """The end is seen although reading is paused while many small chunks are decoded."""
    count = 20 * CHUNKS_AT_ONCE

    async def handle(reader, writer):
        await read_request(reader)
        writer.write(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk(b"x") * count + last_chunk()
        )
        writer.close()

    async with Environment(
        context={
            "tls": UpstreamTls(BackendConnections(upstream_tls=True, upstream_tls_ca=authority.certificate))
        }
    ) as environment:
        server = await secured(environment, context, handle)
        for _ in range(5):
            client = (await environment.client()).send(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
            await client.head()
            assert len(await asyncio.wait_for(read_chunks(client.reader), 5)) == count
        server.close()


def end_without_waiting(listening, context, answer, ended):
    """A backend that answers one request and closes the connection at once, as many do."""
    with listening.accept()[0] as plain, context.wrap_socket(plain, server_side=True) as connection:
        connection.recv(65536)
        connection.sendall(answer)
    ended.set()


@pytest.mark.parametrize("framed", [b"Content-Length: %d", b"Connection: close\r\nX: %d"])
@pytest.mark.parametrize("size", [300_000, 400_000, 500_000, 700_000])
async def test_a_slow_client_receives_everything_after_the_backend_has_closed_tls(
    authority, context, framed, size
):
    answer = b"HTTP/1.1 200 OK\r\n" + framed % size + b"\r\n\r\n" + bytes(size)
    ended = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening, socket.socket() as reading:
        arguments = [listening, context, answer, ended]
        backend = threading.Thread(target=end_without_waiting, args=arguments)
        backend.start()
        tls = UpstreamTls(BackendConnections(upstream_tls=True, upstream_tls_ca=authority.certificate))
        async with Environment(body_timeout=1.0, context={"tls": tls}) as environment:
            environment.register(Endpoint("web", *listening.getsockname(), id="secure"))
            reading.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
            reading.connect(("127.0.0.1", environment.port))
            reading.setblocking(False)
            reading.send(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
            await until(lambda: any(c.write_paused for c in environment.server.context.connections))
            end = monotonic() + 0.3
            await until(lambda: ended.is_set() or monotonic() > end)
            while not environment.records:
                with suppress(BlockingIOError):
                    reading.recv(100_000)
                await asyncio.sleep(0)
            assert [(r.termination, r.sent) for r in environment.records] == [("--", size)]
        backend.join()
