"""PROXY protocol preambles: both versions, piecemeal, from trusted peers only."""

import asyncio
import socket
import struct
from types import SimpleNamespace

import pytest

from pylb.errors import ProxyError
from pylb.policy.admission import Connections
from pylb.policy.networks import Networks
from pylb.proxy.addresses import ConnectionAddresses
from pylb.proxy.proxyprotocol import PREAMBLES, SIGNATURE, Preamble, block, line, parse
from tests.environment import HOST, Environment, read_request
from tests.every import every
from tests.until import until

GET = b"GET / HTTP/1.1\r\n" + HOST + b"\r\n"


def binary(command, family, addresses):
    return SIGNATURE + struct.pack("!BBH", 0x20 | command, family, len(addresses)) + addresses


V4 = binary(1, 0x11, bytes([203, 0, 113, 9, 10, 0, 0, 1]) + struct.pack("!HH", 5555, 443) + b"\x04\0\x01x")
V6 = binary(
    1, 0x21, socket.inet_pton(socket.AF_INET6, "2001:db8::9") + bytes(16) + struct.pack("!HH", 5555, 8443)
)

MAPPED = binary(
    1,
    0x21,
    socket.inet_pton(socket.AF_INET6, "::ffff:203.0.113.9")
    + socket.inet_pton(socket.AF_INET6, "::ffff:10.0.0.1")
    + struct.pack("!HH", 5555, 443),
)


@every(
    ("preamble", "addresses"),
    [
        (
            b"PROXY TCP4 203.0.113.9 10.0.0.1 5555 443\r\n",
            ConnectionAddresses("203.0.113.9", 5555, "10.0.0.1", 443),
        ),
        (
            b"PROXY TCP6 2001:db8::9 2001:db8::1 5555 8443\r\n",
            ConnectionAddresses("2001:db8::9", 5555, "2001:db8::1", 8443),
        ),
        (
            b"PROXY TCP6 ::ffff:203.0.113.9 ::FFFF:a00:1 5555 443\r\n",
            ConnectionAddresses("203.0.113.9", 5555, "10.0.0.1", 443),
        ),
        (
            b"PROXY TCP6 ::ffff:203.0.113.9 2001:DB8::1 5555 443\r\n",
            ConnectionAddresses("203.0.113.9", 5555, "2001:db8::1", 443),
        ),
        (MAPPED, ConnectionAddresses("203.0.113.9", 5555, "10.0.0.1", 443)),
        (
            b"PROXY TCP4 203.0.113.9 10.0.0.1 65535 65535\r\n",
            ConnectionAddresses("203.0.113.9", 65535, "10.0.0.1", 65535),
        ),
        (b"PROXY UNKNOWN\r\n", None),
        (b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", None),
        (V4, ConnectionAddresses("203.0.113.9", 5555, "10.0.0.1", 443)),
        (V6, ConnectionAddresses("2001:db8::9", 5555, "::", 8443)),
        (binary(0, 0, b""), None),
        (binary(1, 0x31, bytes(216)), None),
    ],
)
def test_a_preamble_names_the_client_and_has_an_exact_end(preamble, addresses):
    assert parse(preamble + b"GET") == (addresses, len(preamble))
    for end in range(1, len(preamble)):
        assert parse(preamble[:end]) is None


@every(
    "data",
    [
        b"GET / HTTP/1.1\r\n",
        b"PROXY TCP4 203.0.113.9 10.0.0.1 5555\r\n",
        b"PROXY TCP4 999.0.113.9 10.0.0.1 5555 443\r\n",
        b"PROXY TCP4 203.0.113.9 2001:db8::1 5555 443\r\n",
        b"PROXY TCP4 203.0.113.9 10.0.0.1 5555 65536\r\n",
        b"PROXY TCP4 203.0.113.9 10.0.0.1 5555 443" + b" " * 100,
        b"PROXY  TCP4 203.0.113.9 10.0.0.1 5555 443\r\n",
        binary(2, 0x11, bytes(12)),
        binary(1, 0x11, bytes(11)),
        SIGNATURE + b"\x11\x11\0\x0c" + bytes(12),
        binary(1, 0x11, bytes(4000)),
    ],
)
def test_an_invalid_preamble_is_rejected(data):
    with pytest.raises(ProxyError):
        parse(data)


async def forwarded(preamble, trusted="127.0.0.1", extra=b"", rate=0, **context):
    """Return the fields that a backend receives after this preamble, and the record; None if rejected."""
    heads = []

    async def handle(reader, writer):
        while head := await read_request(reader):
            heads.append(head)
            writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")

    options = {"trusted": Networks([trusted]), "proxy_protocol": True, **context}
    async with Environment(context=options, head_timeout=0.2, max_client_rate=rate) as environment:
        await environment.origin(handle)
        client = await environment.client()
        for piece in (preamble[:7], preamble[7:] + GET[:-2] + extra + b"\r\n"):
            client.send(piece)
            await client.writer.drain()
        try:
            await client.answer()
            await until(lambda: environment.records)
        except (ConnectionError, EOFError):
            await until(lambda: environment.records)
            return b"", environment.records[0]
        return heads[0] if heads else b"", environment.records[0]


@pytest.mark.parametrize(
    ("preamble", "address"),
    [
        (b"PROXY TCP4 203.0.113.9 10.0.0.1 5555 443\r\n", "203.0.113.9"),
        (b"PROXY TCP6 ::ffff:203.0.113.9 ::ffff:10.0.0.1 5555 443\r\n", "203.0.113.9"),
        (MAPPED, "203.0.113.9"),
        (V6, "2001:db8::9"),
    ],
)
async def test_the_client_is_taken_from_a_trusted_peers_preamble(preamble, address):
    limits = {"admission": Connections(per_client=1), "rate": 100}
    head, record = await forwarded(preamble, extra=b"X-Forwarded-For: 6.6.6.6\r\n", **limits)
    assert f"\r\nX-Forwarded-For: {address}\r\n".encode() in head
    assert f"\r\nX-Real-IP: {address}\r\n".encode() in head
    assert b"\r\nX-Forwarded-Port: 80\r\n" in head
    assert record.client == address


async def test_a_trusted_client_of_a_preamble_may_name_another():
    head, record = await forwarded(
        b"PROXY TCP6 ::ffff:127.0.0.1 ::ffff:10.0.0.1 5555 443\r\n", extra=b"X-Forwarded-For: 203.0.113.9\r\n"
    )
    assert b"\r\nX-Forwarded-For: 203.0.113.9, 127.0.0.1\r\n" in head
    assert record.client == "203.0.113.9"


@pytest.mark.parametrize("preamble", [b"PROXY UNKNOWN\r\n", binary(0, 0, b""), binary(1, 0x31, bytes(216))])
async def test_after_a_local_preamble_forwarding_fields_are_ignored(preamble):
    fields = b"X-Forwarded-For: 203.0.113.9\r\nX-Forwarded-Proto: https\r\nForwarded: for=203.0.113.9\r\n"
    head, record = await forwarded(preamble, extra=fields)
    assert b"\r\nX-Forwarded-For: 127.0.0.1\r\n" in head
    assert b"\r\nX-Forwarded-Proto: http\r\n" in head
    assert b"203.0.113.9" not in head
    assert record.client == "127.0.0.1"


async def test_a_preamble_of_an_untrusted_peer_is_an_invalid_request():
    head, record = await forwarded(b"PROXY TCP4 203.0.113.9 10.0.0.1 5555 443\r\n", trusted="10.0.0.0/8")
    assert head == b""
    assert (record.status, record.termination, record.client) == (400, "PR", "127.0.0.1")


@pytest.mark.parametrize("preamble", [b"", b"PROXY TCP4 lies\r\n"])
async def test_a_trusted_peer_must_send_a_preamble(preamble):
    head, record = await forwarded(preamble)
    assert (head, record.termination, record.client) == (b"", "PR", "127.0.0.1")


async def test_a_preamble_has_a_timeout():
    async with Environment(
        context={"trusted": Networks(["127.0.0.1"]), "proxy_protocol": True}, head_timeout=0.1
    ) as environment:
        client = (await environment.client()).send(b"PROXY TCP4 ")
        assert await client.rest() == b""
        assert [record.termination for record in environment.records] == ["cR"]


@pytest.mark.parametrize("rest", [b"TCP4 203.0.113.9 10.0.0.1 5555 443\r\n", b""])
async def test_the_timeout_ends_with_the_preamble_or_its_connection(rest):
    ended = []
    connection = SimpleNamespace(connection_made=lambda _: None)
    preamble = Preamble(
        lambda *_, believed: connection, lambda _: True, 0.01, lambda *refused: ended.append(refused)
    )
    transport = SimpleNamespace(
        get_extra_info=lambda _: ("127.0.0.1", 1), set_protocol=id, abort=lambda: ended.append("aborted")
    )
    preamble.connection_made(transport)
    preamble.data_received(b"PROXY " + rest)
    if not rest:
        preamble.connection_lost(None)
    late = asyncio.Event()
    asyncio.get_running_loop().call_later(0.02, late.set)
    await late.wait()
    assert ended == []


ENDS_V4 = ConnectionAddresses("203.0.113.9", 5555, "10.0.0.1", 443)
ENDS_V6 = ConnectionAddresses("2001:db8::9", 5555, "2001:db8::1", 8443)


@every("write", PREAMBLES.values())
@every(
    ("addresses", "read"),
    [
        (ENDS_V4, ENDS_V4),
        (ENDS_V6, ENDS_V6),
        (
            ConnectionAddresses("203.0.113.9", 5555, "2001:db8::1", 443),
            ConnectionAddresses("203.0.113.9", 5555, "2001:db8::1", 443),
        ),
        (ConnectionAddresses("", 0, "", 0), None),
    ],
)
def test_a_written_preamble_can_be_parsed(write, addresses, read):
    preamble = write(addresses)
    assert parse(preamble + b"GET") == (read, len(preamble))


def test_the_bytes_are_those_of_the_specification():
    assert line(ENDS_V4) == b"PROXY TCP4 203.0.113.9 10.0.0.1 5555 443\r\n"
    assert block(ENDS_V4) == binary(
        1, 0x11, bytes([203, 0, 113, 9, 10, 0, 0, 1]) + struct.pack("!HH", 5555, 443)
    )
    assert block(ConnectionAddresses("", 0, "", 0)) == binary(0, 0, b"")


@pytest.mark.parametrize("write", PREAMBLES.values())
async def test_a_backend_receives_a_preamble_first(write):
    forwarded = []

    async def handle(reader, writer):
        found = None
        data = b""
        while found is None:
            data += await reader.read(1)
            found = parse(data)
        forwarded.append(found[0])
        while await read_request(reader):
            writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")

    async with Environment(context={"preamble": write}) as environment:
        await environment.origin(handle)
        clients = [await environment.client() for _ in range(2)]
        for client in clients * 2:
            assert (await client.send(GET).answer())[0] == 204
        ports = [client.writer.get_extra_info("sockname")[1] for client in clients]
        assert forwarded == [
            ConnectionAddresses("127.0.0.1", port, "127.0.0.1", environment.port) for port in ports * 2
        ]
        assert repr(environment.pool) == "<Pool web: 1 up, 0 draining | 0 active, 0 idle>"
