"""TLS handshakes with backends that end early: the descriptor of the connection is closed once."""

import asyncio
import os
import socket
import ssl
from dataclasses import replace

import pytest

from pylb.config.backends import BackendConnections
from pylb.model import Endpoint
from pylb.proxy.upstream.handover import hand_over
from pylb.proxy.upstream.handshake import PlainConnection
from pylb.proxy.upstream.names import Names
from pylb.proxy.upstream.tls import UpstreamTls
from tests.certificates import Authority
from tests.environment import HOST, Environment, answers
from tests.proxy.upstream.test_reach import nothing_left_open
from tests.until import until

GET = b"GET / HTTP/1.1\r\n" + HOST + b"\r\n"


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def context(authority):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.sign("127.0.0.1"))
    return context


@pytest.fixture
def log(caplog):
    """Fail a test that logs an error."""
    yield caplog
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == []


async def silent(reader, writer):
    """Accept a connection and never answer the first message of TLS."""
    await reader.read(-1)


def stage_with_tls(authority, **changes):
    tls = UpstreamTls(BackendConnections(upstream_tls=True, upstream_tls_ca=authority.certificate))
    return Environment(context={"tls": tls, **changes.pop("context", {})}, **changes)


async def test_a_disconnect_in_any_loop_iteration_closes_each_descriptor_once(authority, log):
    """The number of a closed descriptor is reused immediately; only its new owner may close it."""
    left, others = [], []

    def observe(record):
        left.append(record)
        others.extend(os.dup(0) for _ in range(4))

    async with stage_with_tls(authority, context={"observe": observe}) as environment:
        origin = await environment.origin(silent)
        for turns in range(40):
            with socket.create_connection(("127.0.0.1", environment.port)) as client:
                client.sendall(GET)
                for _ in range(turns):
                    await asyncio.sleep(0)
            await until(lambda turns=turns: len(left) == turns + 1)
        for descriptor in others:
            os.close(descriptor)  # OSError: somebody else has closed it.
        await until(lambda: origin.open == 0 and not environment.server.context.connections)
        (backend,) = environment.pool.backends.values()
        assert (backend.inflight, backend.connections) == (0, set())
        assert {record.termination for record in left} == {"CC"}


async def test_a_slow_handshake_times_out(authority, log):
    async with stage_with_tls(authority, connect_timeout=0.1) as environment:
        origin = await environment.origin(silent)
        assert (await environment.get())[0] == 504
        await until(lambda: origin.open == 0)
        assert environment.records[0].termination == "sC"


class Client:
    """A client without a coroutine."""

    def wake(self):
        pass


def connected():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        near = socket.create_connection(listening.getsockname())
        far, _ = listening.accept()
    far.setblocking(False)
    return near, far


async def closed(far):
    """Wait until the connection's other end has seen its end."""
    loop = asyncio.get_running_loop()
    assert await asyncio.wait_for(loop.sock_recv(far, 100), 5) == b""
    far.close()


async def test_bytes_before_the_handshake_close_the_connection(log):
    near, far = connected()
    far.send(b"SSH-2.0-OpenSSH_9.2\r\n")
    hand_over(near, PlainConnection(Client()))
    await closed(far)


async def test_an_abandoned_connection_is_closed_when_its_transport_is_made(log):
    near, far = connected()
    plain = PlainConnection(Client())
    hand_over(near, plain)
    plain.give_up()
    await closed(far)


@pytest.mark.parametrize(
    "greeting",
    [b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x15\x03\x01\0\x02\x02\x28"],
)
async def test_a_backend_that_sends_first_is_not_a_tls_server(authority, log, greeting):
    async def handle(reader, writer):
        writer.write(greeting)
        await reader.read(-1)

    async with stage_with_tls(authority) as environment:
        origin = await environment.origin(handle)
        assert (await environment.get())[0] == 503
        assert environment.records[0].termination == "SC"
        await until(lambda: origin.open == 0)


async def test_a_failed_preamble_leaves_no_open_socket(authority, log):
    def preamble(_):
        raise ConnectionResetError(104, "Connection reset by peer")

    async with Environment(context={"preamble": preamble}) as environment:
        origin = await environment.origin(silent)
        with nothing_left_open():
            assert (await environment.get())[0] == 503
            await until(lambda: origin.connections and not origin.open)
        assert environment.records[0].detail.endswith("Connection reset by peer")


async def test_a_backend_that_closes_in_the_handshake_is_a_503(authority, log):
    async def handle(reader, writer):
        await reader.read(1)

    async with stage_with_tls(authority) as environment:
        await environment.origin(handle)
        assert (await environment.get())[0] == 503
        assert environment.records[0].termination == "SC"


async def test_after_a_failed_handshake_the_next_address_is_tried(authority, context, log):
    async def handle(reader, writer):
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with stage_with_tls(authority) as environment:
        plain = await environment.origin(handle, host="127.0.0.2")
        port = plain.endpoint.port
        server = await asyncio.start_server(answers(b"hello"), "127.0.0.1", port, ssl=context)
        environment.service.connector.names = Names(
            lambda _: [(socket.AF_INET, (host, 0)) for host in ("127.0.0.2", "127.0.0.1")]
        )
        environment.register(Endpoint("web", "app.test", port, id="by-name", tls_name="127.0.0.1"))
        assert (await environment.get())[2] == b"hello"
        assert len(environment.records[0].attempts) == 1
        await until(lambda: plain.connections == 1 and plain.open == 0)
        server.close()


@pytest.mark.parametrize("name", [".x", "a" * 64, "a\0b", "\u00e9..x", "*" * 300])
async def test_a_name_that_tls_cannot_encode_is_a_failure_of_the_backend(authority, context, log, name):
    server = await asyncio.start_server(answers(b"hello"), "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    good = Endpoint("web", "127.0.0.1", port, id="good")
    bad = replace(good, id="bad", tls_name=name)
    async with stage_with_tls(authority) as environment:
        environment.register(good, bad)
        assert [(await environment.get())[0] for _ in range(6)] == [200] * 6
        failed = [attempt for record in environment.records for attempt in record.attempts if attempt.error]
        assert {(attempt.backend.endpoint.id, attempt.error.code) for attempt in failed} == {("bad", "SC")}
        assert len(failed) == 1  # It is left out at once.
    server.close()
