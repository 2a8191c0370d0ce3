"""The version of HTTP that a backend with TLS chooses (ALPN)."""

import asyncio
import socket
import ssl
from dataclasses import replace

import pytest

from pylb.config.backends import BackendConnections
from pylb.proxy.upstream.negotiated import keep_alive
from pylb.proxy.upstream.tls import UpstreamTls
from tests.certificates import Authority
from tests.environment import Environment, Origin, answers
from tests.h2_peers import POST, H2Backend, H2Client, answering


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def files(authority):
    return authority.sign("127.0.0.1")


class Either:
    """A backend that uses what TLS has negotiated."""

    def __init__(self):
        self.h2 = H2Backend(answering(b"two"))
        self.chosen = []

    async def __call__(self, reader, writer):
        chosen = writer.get_extra_info("ssl_object").selected_alpn_protocol()
        self.chosen.append(chosen)
        await (self.h2 if chosen == "h2" else answers(b"one"))(reader, writer)


async def secured(env, handler, files, offered):
    """Put a backend behind TLS into the pool; it offers some protocols."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files)
    if offered:
        context.set_alpn_protocols(offered)
    origin = Origin(handler)
    origin.server = await asyncio.start_server(origin._connected, "127.0.0.1", 0, ssl=context)
    port = origin.server.sockets[0].getsockname()[1]
    origin.endpoint = replace(origin.endpoint, port=port, id="secure")
    env.origins.append(origin)
    env.register(origin.endpoint)
    return origin


def environment(authority, protocol):
    options = BackendConnections(upstream_tls=True, upstream_tls_ca=authority.certificate)
    return Environment(context={"protocol": protocol, "tls": UpstreamTls(options)}, retries=0)


@pytest.mark.parametrize(
    ("protocol", "offered", "body"),
    [
        ("auto", ["h2", "http/1.1"], b"two"),
        ("auto", ["http/1.1"], b"one"),
        ("auto", [], b"one"),
        ("h2", ["http/1.1", "h2"], b"two"),
        ("http1", ["h2", "http/1.1"], b"one"),
    ],
)
async def test_the_backend_chooses_among_the_offered_versions(authority, files, protocol, offered, body):
    async with environment(authority, protocol) as env:
        backend = Either()
        origin = await secured(env, backend, files, offered)
        for _ in range(3):
            assert (await env.get())[2] == body
        assert origin.connections == 1
        if body == b"two":
            assert backend.h2.streams[0].heads[0][":scheme"] == "https"


async def test_requests_that_arrive_together_share_the_negotiated_version(authority, files):
    for offered, expected in ((["h2"], b"two"), (["http/1.1"], b"one")):
        async with environment(authority, "auto") as env:
            await secured(env, Either(), files, offered)
            answered = await asyncio.gather(*[env.get() for _ in range(20)])
            assert {body for *_, body in answered} == {expected}


async def test_a_backend_without_http2_is_a_clear_503(authority, files):
    async with environment(authority, "h2") as env:
        await secured(env, Either(), files, [])
        assert (await env.get())[0] == 503
        assert env.records[0].detail.endswith("the backend does not offer HTTP/2 (ALPN)")


async def test_a_call_of_grpc_ends_with_the_reason_if_the_backend_chooses_http1(authority, files):
    async with environment(authority, "auto") as env, H2Client(env.port) as client:
        await secured(env, Either(), files, ["http/1.1"])
        for _ in range(2):
            stream = await client.open([*POST, ("content-type", "application/grpc")]).whole()
            assert stream.heads[0]["grpc-status"] == "14"
            assert "uses HTTP/1.1" in stream.heads[0]["grpc-message"]
        assert (await env.get())[0] == 200
        assert env.records[0].termination == "PC"


async def test_auto_without_tls_is_http1():
    async with Environment(context={"protocol": "auto"}) as env:
        await env.origin(answers(b"one"))
        assert (await env.get())[2] == b"one"


async def test_an_instance_may_choose_its_protocol():
    async with Environment() as env:
        origin = await env.origin(H2Backend(answering(b"two")))
        env.register(replace(origin.endpoint, protocol="h2"))
        assert (await env.get())[2] == b"two"


def test_the_kernel_watches_a_shared_connection():
    with socket.socket() as connection:
        keep_alive(connection)
        assert connection.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 20_000
