"""The client of a request: trusted fields, and the fields for backends. The end of a server."""

import asyncio
import socket
from functools import partial
from random import Random

import pytest

from pylb.http1.headers import ClientInfo, ForwardedClientInfo
from pylb.http1.trace import Tracing
from pylb.model import Excluded, PoolState
from pylb.policy.networks import Networks
from pylb.proxy import server
from tests.certificates import Authority, presented
from tests.environment import HOST, Client, Environment, answers, read_request
from tests.proxy.tls.test_certificates import serve
from tests.until import until

LOOPBACK = Networks(["127.0.0.1"])


async def forwarded(fields, rate=0, **context):
    """Return the fields that a backend receives, by name in lower case, and the record."""
    heads = []

    async def handle(reader, writer):
        heads.append(await read_request(reader))
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")

    async with Environment(context=context, max_client_rate=rate) as environment:
        await environment.origin(handle)
        assert (await environment.get(extra=fields))[0] == 204
        return split(heads[0]), environment.records[0]


def split(head):
    lines = [line.partition(b": ") for line in head.split(b"\r\n")[1:-2]]
    assert len({name.lower() for name, _, _ in lines}) == len(lines), "a field came twice"
    return {name.lower(): value for name, _, value in lines}


CLAIMS = (
    b"X-Forwarded-For: 203.0.113.9\r\nX-Forwarded-Proto: https\r\nX_Forwarded_Proto: https\r\n"
    b"X-Real-IP: 203.0.113.9\r\nForwarded: for=203.0.113.9\r\nX-Request-ID: abc\r\n"
    b"X-Client-Cert-Subject: CN=admin\r\nX_Client-Cert_Subject: CN=admin\r\n"
)


async def test_forwarding_fields_of_untrusted_peers_are_ignored():
    fields, record = await forwarded(CLAIMS)
    assert fields[b"x-forwarded-for"] == fields[b"x-real-ip"] == b"127.0.0.1"
    assert fields[b"x-forwarded-proto"] == b"http"
    assert fields[b"x-request-id"] != b"abc"
    assert not {b"forwarded", b"x_forwarded_proto", b"x-client-cert-subject", b"x_client-cert_subject"} & set(
        fields
    )
    assert record.client == "127.0.0.1"


async def test_the_chain_of_a_trusted_peer_is_extended():
    fields, record = await forwarded(CLAIMS, trusted=LOOPBACK)
    assert fields[b"x-forwarded-for"] == b"203.0.113.9, 127.0.0.1"
    assert fields[b"x-real-ip"] == b"203.0.113.9"
    assert fields[b"x-forwarded-proto"] == b"https"
    assert fields[b"forwarded"] == b"for=203.0.113.9"
    assert fields[b"x-request-id"] == b"abc" == record.id
    assert b"x_forwarded_proto" not in fields
    assert record.client == "203.0.113.9"


async def test_a_forwarded_field_is_sent():
    fields, _ = await forwarded(CLAIMS, client_info=ForwardedClientInfo)
    assert fields[b"forwarded"] == b'for=127.0.0.1;proto=http;host="shop.example"'
    fields, _ = await forwarded(CLAIMS, client_info=ForwardedClientInfo, trusted=LOOPBACK)
    assert fields[b"forwarded"] == b'for=203.0.113.9, for=127.0.0.1;proto=http;host="shop.example"'


async def test_forwarded_alone_is_accepted_from_a_trusted_peer():
    fields = b'Forwarded: for="[2001:db8:cafe::17]:4711";proto=https;host=www.shop.example\r\n'
    fields, record = await forwarded(fields, trusted=LOOPBACK)
    assert record.client == "2001:db8:cafe::17"
    assert fields[b"x-forwarded-for"] == b"2001:db8:cafe::17, 127.0.0.1"
    assert fields[b"x-real-ip"] == b"2001:db8:cafe::17"
    assert (fields[b"x-forwarded-proto"], fields[b"x-forwarded-port"]) == (b"https", b"443")
    assert fields[b"x-forwarded-host"] == b"www.shop.example"


@pytest.mark.parametrize(
    ("name", "fields", "via"),
    [
        ("", b"", None),
        ("", b"Via: 1.1 front\r\n", [b"1.1 front"]),
        ("edge", b"", [b"1.1 edge"]),
        ("edge", b"Via: 1.1 front\r\n", [b"1.1 front", b"1.1 edge"]),
    ],
)
async def test_via_is_sent_only_if_configured(name, fields, via):
    heads = []

    async def handle(reader, writer):
        while head := await read_request(reader):
            heads.append(head)
            writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")

    async with Environment(
        context={"client_info": partial(ClientInfo, via=name)} if name else {}
    ) as environment:
        await environment.origin(handle)
        client = await environment.client()
        for _ in range(3):
            await client.send(b"GET / HTTP/1.1\r\n" + HOST + fields + b"\r\n").answer()
    for head in heads:
        assert [line[5:] for line in head.split(b"\r\n") if line.startswith(b"Via: ")] == (via or [])


@pytest.mark.parametrize("trusted", [Networks(()), LOOPBACK])
@pytest.mark.parametrize(
    ("host", "port"), [("shop.example", b"80"), ("shop.example:8443", b"8443"), ("[::1]:8080", b"8080")]
)
async def test_the_forwarded_port_is_that_of_the_client(trusted, host, port):
    heads = []

    async def handle(reader, writer):
        while head := await read_request(reader):
            heads.append(head)
            writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")

    async with Environment(context={"trusted": trusted}) as environment:
        await environment.origin(handle)
        client = await environment.client()
        for asked in (host, "other:1", host, host):
            await client.send(b"GET / HTTP/1.1\r\nHost: %b\r\n\r\n" % asked.encode()).answer()
    assert [split(head)[b"x-forwarded-port"] for head in heads] == [port, b"1", port, port]


@pytest.mark.parametrize(
    "addresses", [b"203.0.113.%d:51008", b"::ffff:203.0.113.%d", b'"[::ffff:203.0.113.%d]:51008"']
)
async def test_clients_behind_a_gateway_with_ports_are_counted_separately(addresses):
    async with Environment(context={"trusted": LOOPBACK}, max_client_rate=1) as environment:
        await environment.origin(answers())
        for number in range(1, 9):
            status, _, _ = await environment.get(extra=b"X-Forwarded-For: " + addresses % number + b"\r\n")
            assert status == 200
        assert [record.client for record in environment.records] == [f"203.0.113.{n}" for n in range(1, 9)]
        assert (await environment.get(extra=b"X-Forwarded-For: 203.0.113.1\r\n"))[0] == 429


async def reach(family, address, **context):
    """A request over a listener of that family; what the backend is told of it."""
    heads = []

    async def handle(reader, writer):
        heads.append(await read_request(reader))
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")

    async with Environment(context=context) as environment:
        await environment.origin(handle)
        listening = socket.socket(family)
        listening.bind(address)
        await environment.server.listen(listening)
        where = listening.getsockname()
        pending = (
            asyncio.open_unix_connection(where)
            if family == socket.AF_UNIX
            else asyncio.open_connection(where[0], where[1])
        )
        client = Client(*await pending).send(b"GET / HTTP/1.1\r\n" + HOST + CLAIMS + b"\r\n")
        assert (await client.answer())[0] == 204
        client.close()
        await until(lambda: not environment.server.context.connections)
        return split(heads[0]), environment.records[0]


async def test_ipv6():
    fields, record = await reach(socket.AF_INET6, ("::1", 0))
    assert fields[b"x-forwarded-for"] == b"::1"
    assert record.client == "::1"


async def test_an_ipv4_client_of_a_dual_stack_socket_has_an_ipv4_address():
    fields, record = await reach(socket.AF_INET6, ("::ffff:127.0.0.1", 0))
    assert fields[b"x-forwarded-for"] == fields[b"x-real-ip"] == b"127.0.0.1"
    assert record.client == "127.0.0.1"
    fields, _ = await reach(socket.AF_INET6, ("::ffff:127.0.0.1", 0), trusted=LOOPBACK)
    assert fields[b"x-real-ip"] == b"203.0.113.9"


async def test_a_peer_on_a_unix_socket_has_no_address_and_may_be_trusted(tmp_path):
    fields, record = await reach(socket.AF_UNIX, str(tmp_path / "plain"))
    assert not {b"x-forwarded-for", b"x-real-ip"} & set(fields)
    assert (fields[b"x-forwarded-proto"], fields[b"x-forwarded-port"]) == (b"http", b"80")
    assert record.client == ""
    fields, record = await reach(socket.AF_UNIX, str(tmp_path / "trusted"), trusted=Networks(["unix"]))
    assert fields[b"x-forwarded-for"] == b"203.0.113.9"
    assert record.client == "203.0.113.9"


async def test_requests_on_an_ejected_instance_are_aborted_and_retried():
    async def hang(reader, writer):
        await read_request(reader)
        await reader.read()

    async with Environment() as environment:
        stuck = await environment.origin(hang)
        client = (await environment.client()).send(b"GET / HTTP/1.1\r\n%b\r\n" % HOST)
        await until(lambda: stuck.open)
        well = await environment.origin(answers(b"well"))
        out = Excluded(stuck.endpoint, "operator: drain web-1")
        environment.server.apply(PoolState("web", (well.endpoint,), (out,)))
        (draining,) = environment.pool.draining.values()
        assert draining.inflight == 1, "what is drained may finish"
        environment.server.apply(PoolState("web", (well.endpoint,), (out,), aborted=(out.endpoint.key,)))
        assert (await client.answer())[2] == b"well"
        assert [lease.backend.endpoint.id for lease in environment.records[0].attempts] == ["web-1", "web-2"]
        assert not draining.connections
        assert len(environment.pool.backends[well.endpoint.key, well.endpoint.authority].connections) == 1


async def test_the_trace_is_sent_to_backends_and_recorded():
    given = b"traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    for lines in (b"%b\r\n" % given, b"Connection: close\r\nTE: trailers\r\n%b\r\n" % given):
        fields, record = await forwarded(lines, tracing=Tracing(rng=Random(1)), rate=100)
        trace = record.request.trace
        assert fields[b"traceparent"] == b"00-4bf92f3577b34da6a3ce929d0e0e4736-%b-01" % trace.span
        assert trace.parent == b"00f067aa0ba902b7"
    fields, record = await forwarded(b"", tracing=Tracing(sample=0.0, rng=Random(1)))
    assert fields[b"traceparent"] == b"00-%b-%b-00" % record.request.trace[:2]
    fields, record = await forwarded(b"%b\r\n" % given)
    assert fields[b"traceparent"] == given.removeprefix(b"traceparent: "), "untouched where it is off"
    assert record.request.trace is None


def test_connections_of_one_client_share_their_client_info():
    context = Environment().server.context
    here = context.client_info("127.0.0.1", None, believed=True)
    assert context.client_info("127.0.0.1", None, believed=True) is here
    there = context.client_info("127.0.0.2", None, believed=True)
    assert there is not here
    assert there.address != here.address


def test_a_local_preamble_has_a_separate_client_info():
    context = Environment(context={"trusted": LOOPBACK}).server.context
    assert context.client_info("127.0.0.1", None, believed=True).trusted
    assert not context.client_info("127.0.0.1", None, believed=False).trusted


async def test_a_drain_accepts_no_connections_and_shortens_the_keepalive_timeout():
    release = asyncio.Event()

    async def handle(reader, writer):
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe")
        await release.wait()
        writer.write(b"llo")
        await reader.read(-1)

    async with Environment() as environment:
        await environment.origin(handle)
        client = (await environment.client()).send(b"GET / HTTP/1.1\r\n%b\r\n" % HOST)
        assert b"Connection: close" not in await client.head()
        draining = asyncio.ensure_future(environment.server.drain(5))  # noqa: TID251
        await until(lambda: environment.server.context.draining)
        with pytest.raises(ConnectionRefusedError):
            await environment.client()
        release.set()
        assert await client.rest() == b"hello"
        assert await draining == 0, "a tenth of the drain timeout later"


@pytest.mark.parametrize("begun", [False, True])
async def test_an_immediate_end_does_not_wait_for_handshakes(tmp_path, monkeypatch, begun):
    monkeypatch.setattr(server, "HANDSHAKE", 60.0)
    async with Environment() as environment:
        await environment.origin(answers(b"hello"))
        pair = Authority(tmp_path).sign("shop.example")
        port = await serve(environment, presented([pair]))
        if not begun:
            environment.server.close()
        draining = asyncio.ensure_future(environment.server.drain(120))  # noqa: TID251
        await until(lambda: environment.server.context.draining)
        if begun:
            environment.server.close()
        assert await asyncio.wait_for(draining, 30) == 0
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)
