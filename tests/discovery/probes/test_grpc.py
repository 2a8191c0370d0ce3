"""gRPC's health protocol as a probe: what is asked, and every answer that an instance may give."""

import asyncio
import ssl
from concurrent import futures
from contextlib import asynccontextmanager, suppress

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pylb.config.backends import Health
from pylb.discovery.probes.client import ProbeClient
from pylb.discovery.probes.grpc import serving_status
from pylb.discovery.probes.result import Result
from pylb.discovery.probes.rules import ProbeRules
from pylb.model import Endpoint
from tests.certificates import Authority
from tests.environment import answers
from tests.h2_peers import OK, H2Backend

HEAD = [OK, ("content-type", "application/grpc")]
SERVING = b"\0\0\0\0\x02\x08\x01"


@asynccontextmanager
async def serving(handler, tls=None):
    """A server on a free port; its endpoint."""
    tasks = []

    async def serve(reader, writer):
        tasks.append(asyncio.current_task())
        with suppress(ConnectionError, asyncio.CancelledError):
            await handler(reader, writer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    try:
        yield Endpoint("web", "127.0.0.1", server.sockets[0].getsockname()[1])
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks)


def probe(endpoint, how="grpc", timeout=5.0, tls=lambda _: None):
    return ProbeClient().probe(endpoint, how, ProbeRules(Health(probe_timeout=timeout), tls_h2=tls))


def answering(body, result=(("grpc-status", "0"),), head=HEAD):
    """A script that answers with these bytes and this result."""

    async def script(stream):
        await stream.whole()
        stream.head(head)
        if body:
            await stream.send(body)
        stream.head([*result], end=True)

    return H2Backend(script)


@pytest.mark.parametrize(
    ("how", "message"), [("grpc", b"\0\0\0\0\0"), ("grpc:shop.Cart", b"\0\0\0\0\x0b\x0a\x09shop.Cart")]
)
async def test_the_call_is_that_of_the_protocol(how, message):
    backend = answering(SERVING)
    async with serving(backend) as endpoint:
        assert await probe(endpoint, how) == Result(well=True)
        (stream,) = backend.streams
        fields = stream.heads[0]
        assert (fields[":method"], fields[":path"]) == ("POST", "/grpc.health.v1.Health/Check")
        assert (fields["content-type"], fields["te"]) == ("application/grpc", "trailers")
        assert (fields[":authority"], fields["grpc-timeout"]) == (endpoint.authority, "5000m")
        assert stream.body == message


@pytest.mark.parametrize(
    ("backend", "why"),
    [
        (answering(b"\0\0\0\0\x02\x08\x02"), "grpc.health.v1: NOT_SERVING"),
        (answering(b"\0\0\0\0\x02\x08\x03"), "grpc.health.v1: SERVICE_UNKNOWN"),
        (answering(b"\0\0\0\0\x02\x08\x07"), "grpc.health.v1: 7"),
        (answering(b"\0\0\0\0\0"), "grpc.health.v1: UNKNOWN"),
        (answering(b"\1\0\0\0\x02\x08\x01"), "grpc.health.v1: a malformed response"),
        (answering(b"\0\0\0\0\x02\x08"), "grpc.health.v1: a malformed response"),
        (answering(b""), "grpc.health.v1: a malformed response"),
        (answering(SERVING, [("grpc-status", "12")]), "does not implement grpc.health.v1"),
        (answering(SERVING, [("grpc-status", "5")]), "grpc.health.v1 does not know the service ''"),
        (answering(SERVING, [("grpc-status", "14")]), "grpc.health.v1: UNAVAILABLE"),
        (answering(SERVING, [("grpc-status", "99")]), "grpc.health.v1: 99"),
        (answering(SERVING, [("x-other", "1")]), "grpc.health.v1: a response without grpc-status"),
        (answering(b"", head=[(":status", "404")]), "grpc.health.v1: HTTP status 404"),
        (answers(b"hello"), "uses HTTP/1.1"),
    ],
)
async def test_every_other_answer_is_a_failure_with_a_reason(backend, why):
    async with serving(backend) as endpoint:
        assert await probe(endpoint) == Result(well=False, why=why)


async def test_a_cut_answer_a_reset_and_garbage_are_failures():
    async def closes(reader, writer):
        writer.close()

    async def garbage(reader, writer):
        writer.write(b"SSH-2.0-x\r\n" * 10)

    async def resets(stream):
        stream.reset(2)

    for handler, why in (
        (closes, "closed the connection without a response"),
        (garbage, "violated HTTP/2"),
        (H2Backend(resets), "reset the call"),
    ):
        async with serving(handler) as endpoint:
            result = await probe(endpoint)
            assert not result.well
            assert why in result.why


async def test_silence_and_an_endless_answer_end_in_time():
    async def endless(stream):
        stream.head(HEAD)
        await stream.send(bytes(1_000_000))

    async def silence(reader, writer):
        await reader.read(-1)

    for handler in (silence, H2Backend(endless)):
        async with serving(handler) as endpoint:
            result = await probe(endpoint, timeout=0.2)
            assert result == Result(well=False, why="no response within 0.2 s")


async def test_with_tls_the_instance_has_to_offer_http2(tmp_path):
    authority = Authority(tmp_path)
    ours = ssl.create_default_context(cafile=authority.certificate)
    ours.set_alpn_protocols(["h2"])
    for offered, why in (("h2", ""), ("http/1.1", "does not offer HTTP/2 (ALPN)")):
        theirs = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        theirs.load_cert_chain(*authority.sign("web.internal"))
        theirs.set_alpn_protocols([offered])
        async with serving(answering(SERVING), theirs) as endpoint:
            assert (await probe(endpoint, tls=lambda _: (ours, "web.internal"))).why == why
            wrong = await probe(endpoint, tls=lambda _: (ours, "other.internal"))
            assert (wrong.well, wrong.unreachable) == (False, True)
            assert wrong.why.startswith("TLS: ")


class Service(grpc.GenericRpcHandler):
    """The health service of a server of grpcio."""

    state = b"\x08\x01"

    def service(self, details):
        """Return the handler of a method."""
        if details.method == "/grpc.health.v1.Health/Check":
            return grpc.unary_unary_rpc_method_handler(lambda *_: self.state)
        return None


async def test_a_server_of_grpcio():
    service = Service()
    server = grpc.server(futures.ThreadPoolExecutor(1))
    server.add_generic_rpc_handlers([service])
    endpoint = Endpoint("web", "127.0.0.1", server.add_insecure_port("127.0.0.1:0"))
    server.start()
    try:
        assert await probe(endpoint) == Result(well=True)
        service.state = b"\x08\x02"
        assert await probe(endpoint) == Result(well=False, why="grpc.health.v1: NOT_SERVING")
    finally:
        await asyncio.to_thread(server.stop(0).wait)


def varint(value):
    """An integer in protobuf's encoding."""
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*encoded, value])


UNKNOWN_FIELDS = st.one_of(
    st.builds(lambda n, v: varint(n << 3) + varint(v), st.integers(2, 2**29 - 1), st.integers(0, 2**63)),
    st.builds(lambda n, v: varint(n << 3 | 1) + v, st.integers(1, 99), st.binary(min_size=8, max_size=8)),
    st.builds(lambda n, v: varint(n << 3 | 5) + v, st.integers(1, 99), st.binary(min_size=4, max_size=4)),
    st.builds(lambda n, v: varint(n << 3 | 2) + varint(len(v)) + v, st.integers(1, 99), st.binary()),
)


@given(st.lists(UNKNOWN_FIELDS, max_size=4), st.lists(UNKNOWN_FIELDS, max_size=4), st.integers(0, 300))
def test_unknown_fields_are_skipped(before, after, status):
    message = b"".join([*before, b"\x08", varint(status), *after])
    assert serving_status(b"\0" + len(message).to_bytes(4) + message) == status


@given(st.binary(max_size=40))
def test_any_bytes_are_a_status_or_refused(message):
    with suppress(ValueError, IndexError):
        assert serving_status(b"\0" + len(message).to_bytes(4) + message) >= 0
