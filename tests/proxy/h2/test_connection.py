"""A connection with HTTP/2: how it begins, what limits it, and how it ends."""

import asyncio
import socket
import ssl

import pytest

from pylb.http1.parser import END_OF_HEAD
from pylb.http2 import frames
from pylb.http2.errors import ErrorCode
from pylb.policy.admission import Connections
from pylb.policy.networks import Networks
from pylb.proxy.h2 import connection
from pylb.proxy.multiplex import connection as multiplexed
from tests.certificates import Authority, presented
from tests.environment import HOST, Environment, answers, read_request
from tests.proxy.h2.client import H2Client, connect
from tests.proxy.tls.test_certificates import serve as listen_tls
from tests.proxy.tls.test_certificates import trusting
from tests.until import until

LAST = 2**31 - 1


def gated(go):
    """An origin that answers once an event is set."""

    async def handle(reader, writer):
        while await read_request(reader):
            await go.wait()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    return handle


async def silent(reader, writer):
    """An origin that never answers."""
    await reader.read(-1)


# The beginning.


async def test_the_preface_may_arrive_byte_by_byte():
    async with Environment() as environment:
        await environment.origin(answers())
        sending = H2Client()
        sending.h2.initiate_connection()
        sending.begin()
        client = await environment.client()
        for byte in sending.h2.data_to_send():
            client.send(bytes([byte]))
            await asyncio.sleep(0.001)
        await until(lambda: environment.records)
        assert (environment.records[0].protocol, environment.records[0].status) == ("HTTP/2.0", 200)


@pytest.mark.parametrize("sent", [b"PRI * HTTP/2.0\r\n\r\nSM", b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n"])
async def test_a_preface_that_is_cut_or_wrong_ends_the_connection(sent):
    async with Environment() as environment:
        client = (await environment.client()).send(sent)
        if sent.endswith(b"SM"):
            client.writer.write_eof()
        await client.rest()
        client.close()
        await until(lambda: not environment.server.context.connections)


async def test_without_http2_the_preface_is_an_invalid_request():
    async with Environment(http2=False) as environment:
        client = (await environment.client()).send(frames.PREFACE)
        assert (await client.answer())[0] == 400


async def test_no_settings_in_time_ends_the_connection(monkeypatch):
    monkeypatch.setattr(connection, "WAIT_FOR_SETTINGS", 0.05)
    async with Environment() as environment:
        client = (await environment.client()).send(frames.PREFACE)
        assert (await client.rest()).endswith(
            frames.goaway(0, ErrorCode.SETTINGS_TIMEOUT, b"no SETTINGS in time")
        )


async def test_the_proxy_protocol_precedes_the_preface():
    context = {"proxy_protocol": True, "trusted": Networks(("127.0.0.1",))}
    async with Environment(context=context) as environment:
        origin = await environment.origin(answers())
        client = H2Client()
        await asyncio.get_running_loop().create_connection(lambda: client, "127.0.0.1", environment.port)
        environment.at_end(client.transport.abort)
        client.transport.write(b"PROXY TCP4 203.0.113.9 192.0.2.1 1234 80\r\n")
        client.h2.initiate_connection()
        client.flush()
        assert (await client.get()).status == 200
        assert environment.records[0].client == "203.0.113.9"
        assert origin.connections == 1


# TLS.


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


def offering(authority, *protocols):
    context = trusting(authority)
    context.set_alpn_protocols(protocols)
    return context


async def test_a_client_certificate_is_forwarded_with_every_stream_and_cannot_be_forged(authority):
    heads = []

    async def handle(reader, writer):
        while head := await read_request(reader):
            heads.append(head)
            writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")

    async with Environment() as environment:
        await environment.origin(handle)
        certificates = presented([authority.sign("shop.example")], tls_client_ca=authority.certificate)
        port = await listen_tls(environment, certificates)
        tls = offering(authority, "h2")
        tls.load_cert_chain(*authority.sign("alice", subject="/O=Shop/CN=Alice"))
        client = await connect(environment, port=port, tls=tls, name="shop.example")
        for _ in range(2):
            await client.get("/", ("x-client-cert-subject", "CN=root"), ("x_client-cert-pem", "x"))
        assert len(heads) == 2
        for head in heads:
            assert b"\r\nX-Client-Cert-Subject: CN=Alice,O=Shop\r\n" in head
            assert head.lower().count(b"client-cert-subject") == 1
            assert b"client-cert-pem" not in head.lower()


async def test_alpn_chooses_http2_on_a_tls_listener(authority):
    pair = authority.sign("shop.example")
    async with Environment(context={"hsts": 300}) as environment:
        await environment.origin(answers())
        port = await listen_tls(environment, presented([pair]))
        tls = offering(authority, "h2", "http/1.1")
        client = await connect(environment, port=port, tls=tls, name="shop.example")
        assert client.transport.get_extra_info("ssl_object").selected_alpn_protocol() == "h2"
        reply = await client.get()
        assert reply.status == 200
        assert reply.fields["strict-transport-security"] == "max-age=300"


async def test_without_http2_alpn_chooses_http1(authority):
    pair = authority.sign("shop.example")
    async with Environment(http2=False) as environment:
        port = await listen_tls(environment, presented([pair], http2=False))
        _, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=offering(authority, "h2", "http/1.1"), server_hostname="shop.example"
        )
        environment.at_end(writer.close)
        assert writer.get_extra_info("ssl_object").selected_alpn_protocol() == "http/1.1"


# Limits.


async def test_streams_above_the_limit_are_refused():
    go = asyncio.Event()
    async with Environment(http2_max_streams=2) as environment:
        await environment.origin(gated(go))
        client = await connect(environment)
        await client.ping()
        assert client.h2.remote_settings.max_concurrent_streams == 2
        client.h2.remote_settings.max_concurrent_streams = 100
        client.h2.remote_settings.acknowledge()
        first, second, third = (client.begin() for _ in range(3))
        assert (await client.ended(third)).reset == ErrorCode.REFUSED_STREAM
        go.set()
        assert [(await client.ended(number)).status for number in (first, second)] == [200, 200]
        assert (await client.get()).status == 200


async def test_a_connection_above_the_limit_gets_goaway(authority):
    """One without TLS gets 503, because it exceeds the limit before it shows its version."""
    async with Environment(context={"admission": Connections(1)}) as environment:
        await environment.origin(answers())
        certificates = presented([authority.sign("shop.example")])
        port = await listen_tls(environment, certificates)
        first = await connect(environment)
        assert (await first.get()).status == 200
        tls = offering(authority, "h2")
        second = await connect(environment, port=port, tls=tls, name="shop.example")
        await until(lambda: second.closed)
        assert second.goaways == [(0, ErrorCode.ENHANCE_YOUR_CALM)]
        assert environment.records[-1].termination == "RR"
        first.transport.close()
        await until(lambda: not environment.server.context.connections)
        assert (await (await connect(environment)).get()).status == 200


async def test_the_last_request_of_a_connection_is_announced():
    async with Environment(max_requests=2) as environment:
        await environment.origin(answers())
        client = await connect(environment)
        assert (await client.get()).status == 200
        assert client.goaways == []
        assert (await client.get()).status == 200
        await until(lambda: client.closed)
        assert client.goaways[:2] == [(LAST, 0), (3, 0)]


async def test_an_idle_connection_is_closed(monkeypatch):
    monkeypatch.setattr(connection, "WAIT_FOR_SETTINGS", 0.05)
    async with Environment(http2_idle_timeout=0.1) as environment:
        await environment.origin(answers())
        client = await connect(environment)
        assert (await client.get()).status == 200
        await until(lambda: client.closed)
        assert client.goaways == [(1, 0)]


async def test_a_connection_that_is_never_used_is_closed(monkeypatch):
    monkeypatch.setattr(connection, "WAIT_FOR_SETTINGS", 0.05)
    async with Environment(http2_idle_timeout=0.05) as environment:
        client = await connect(environment)
        await until(lambda: client.closed)
        assert client.goaways == [(0, 0)]


async def test_a_connection_with_a_request_is_not_idle(monkeypatch):
    monkeypatch.setattr(connection, "WAIT_FOR_SETTINGS", 0.05)
    go = asyncio.Event()
    async with Environment(http2_idle_timeout=0.05) as environment:
        await environment.origin(gated(go))
        client = await connect(environment)
        number = client.begin()
        client.flush()
        await until(lambda: environment.origins[0].open)
        for _ in range(4):
            await asyncio.sleep(0.05)
        go.set()
        assert (await client.ended(number)).status == 200


async def deaf(environment):
    """Connect a client that reads nothing, and whose kernel buffers little; and pylb's side of it."""
    with socket.socket() as connecting:
        connecting.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connecting.connect(("127.0.0.1", environment.port))
        reader, writer = await asyncio.open_connection(sock=connecting.dup())
    environment.at_end(writer.close)
    writer.transport.pause_reading()
    writer.write(frames.PREFACE + frames.settings({}))
    (served,) = await until(lambda: environment.server.context.sessions)
    served.session.guard.oddities = 10**9
    return reader, writer, served


async def test_a_client_that_does_not_read_acknowledgements_is_not_read():
    async with Environment() as environment:
        reader, writer, served = await deaf(environment)
        while not writer.transport.get_write_buffer_size():
            writer.write(frames.ping(b"question", ack=False) * 1000)
            await asyncio.sleep(0)
        await until(lambda: not served.transport.is_reading())
        assert served.transport.get_write_buffer_size() < 1 << 20
        writer.transport.resume_reading()
        while not served.transport.is_reading():
            assert await asyncio.wait_for(reader.read(1 << 20), 5)


async def test_a_client_that_does_not_read_responses_is_not_read(monkeypatch):
    """The responses to HEAD have no body, so no window limits them."""
    monkeypatch.setattr(multiplexed, "MAX_UNREAD", 100_000)
    head = b"\x02\x04HEAD\x86\x84\x01\x01a"
    async with Environment(routes=["web respond=403,no"]) as environment:
        _, writer, served = await deaf(environment)
        number = 1
        while not writer.transport.get_write_buffer_size():
            for _ in range(100):
                writer.write(frames.headers(number, head, end_stream=True))
                number += 2
            await asyncio.sleep(0)
        await until(lambda: not served.transport.is_reading())
        assert served.transport.get_write_buffer_size() < 2 * multiplexed.MAX_UNREAD
        assert served.session.replies <= multiplexed.MAX_REPLIES


async def test_a_fault_of_the_client_ends_the_connection_and_is_recorded_once():
    async with Environment() as environment:
        client = await connect(environment)
        await client.ping()
        client.raw(frames.frame(frames.DATA, 0, 0, b"x") * 100)
        await until(lambda: client.closed)
        assert client.goaways == [(0, ErrorCode.PROTOCOL_ERROR)]
        (record,) = environment.records
        assert (record.status, record.termination) == (400, "PR")


async def test_a_client_may_leave_at_any_time():
    async with Environment() as environment:
        origin = await environment.origin(silent)
        client = await connect(environment)
        for _ in range(3):
            client.begin()
        client.flush()
        await until(lambda: origin.open == 3)
        client.transport.abort()
        await until(lambda: not environment.server.context.connections)
        await until(lambda: not origin.open)
        assert {record.status for record in environment.records} == {499}
        assert not environment.server.context.streams
        assert not environment.server.context.sessions


# The end.


async def test_a_drain_finishes_streams_and_closes_connections():
    go = asyncio.Event()
    async with Environment() as environment:
        await environment.origin(gated(go))
        busy, idle = await connect(environment), await connect(environment)
        number = busy.begin()
        busy.flush()
        await idle.ping()
        await until(lambda: environment.origins[0].open)
        draining = asyncio.ensure_future(environment.server.drain(10))  # noqa: TID251
        await until(lambda: idle.closed)
        assert idle.goaways[:2] == [(LAST, 0), (0, 0)]
        assert busy.goaways == [(LAST, 0), (1, 0)]
        late = busy.begin()
        busy.flush()
        await busy.ping()
        go.set()
        assert (await busy.ended(number)).body == b"ok"
        await until(lambda: busy.closed)
        assert not busy.replies[late].over
        assert {last for last, _ in busy.goaways[1:]} == {1}
        assert await draining == 0


async def test_a_stream_that_crosses_the_announcement_of_a_drain_is_served(monkeypatch):
    """The client does not acknowledge: its PING frame is late."""
    monkeypatch.setattr(connection, "ADVANCE_NOTICE", 0.1)
    async with Environment() as environment:
        await environment.origin(answers())
        client = await connect(environment)
        await client.ping()
        client.acknowledges = False
        draining = asyncio.ensure_future(environment.server.drain(10))  # noqa: TID251
        await until(lambda: environment.server.context.draining)
        reply = await client.get()
        assert reply.status == 200
        await until(lambda: client.closed)
        assert client.goaways[0] == (LAST, 0)
        assert client.goaways[-1] == (1, 0)
        assert await draining == 0


async def test_streams_beyond_the_drain_timeout_are_cut_and_counted():
    async with Environment() as environment:
        origin = await environment.origin(gated(asyncio.Event()))
        client = await connect(environment)
        client.begin()
        client.flush()
        await until(lambda: origin.open)
        assert await environment.server.drain(0.1) == 1
        await until(lambda: client.closed)
        (record,) = environment.records
        assert record.termination == "KH"


async def test_a_drain_after_the_last_request_changes_nothing():
    go = asyncio.Event()
    async with Environment(max_requests=1) as environment:
        await environment.origin(gated(go))
        client = await connect(environment)
        numbers = [client.begin("/1"), client.begin("/2")]
        client.flush()
        await until(lambda: environment.origins[0].open == 2)
        (served,) = environment.server.context.connections
        served.drain(served.session.now, 0)
        await until(lambda: len(client.goaways) == 2)
        served.drain(served.session.now, 0)
        await client.ping()
        go.set()
        for number in numbers:
            assert (await client.ended(number)).status == 200
        await until(lambda: client.closed)
        lasts = [last for last, _ in client.goaways]
        assert lasts == sorted(lasts, reverse=True)


async def test_http1_on_the_same_listener_is_served():
    async with Environment() as environment:
        await environment.origin(answers())
        client = await environment.client()
        client.send(b"GET / HTTP/1.1\r\n" + HOST + END_OF_HEAD[2:])
        assert (await client.answer())[0] == 200
        assert ssl.HAS_ALPN
