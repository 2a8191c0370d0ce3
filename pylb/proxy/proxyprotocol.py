"""The PROXY protocol, versions 1 and 2: a preamble in which a load balancer names its client.

Source: HAProxy's doc/proxy-protocol.txt. A listener with PROXY protocol requires the preamble from every
trusted peer: detecting it would let a client forge it. From other peers it is invalid HTTP and refused.
Backends that expect a preamble receive it at the beginning of each connection.
"""

from __future__ import annotations

import asyncio
import re
import struct
from collections.abc import Callable, Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import cast

from pylb.errors import Fault, Phase, ProxyError
from pylb.http1.address import canonical, of_peer
from pylb.http1.bad_request import bad_request
from pylb.proxy.addresses import ConnectionAddresses

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
"""The beginning of a version 2 preamble; no HTTP request can begin so."""

LONGEST_LINE = 107
"""Bytes of a version 1 preamble, line end included."""

LONGEST = 16 + 2048
"""Bytes of a version 2 preamble that are accepted: addresses, and what load balancers add as TLVs."""

_LINE = re.compile(
    rb"PROXY (?:UNKNOWN[^\r]*|(?:TCP4|TCP6) ([0-9A-Fa-f:.]+) ([0-9A-Fa-f:.]+) ([0-9]{1,5}) ([0-9]{1,5}))\r\n"
)
Address = IPv4Address | IPv6Address

_ADDRESSES = {0x1: struct.Struct("!4s4sHH"), 0x2: struct.Struct("!16s16sHH")}
"""The layout of client, server, and their ports, by address family."""


def parse(data: bytes) -> tuple[ConnectionAddresses | None, int] | None:
    """Parse a preamble.

    Args:
        data: the bytes that have arrived, at least one.

    Returns:
        The addresses of the client's connection and the length of the preamble. The addresses are None if the
        preamble contains none (a health check by the peer itself). None if the preamble is incomplete.

    Raises:
        ProxyError: the bytes are no preamble.
    """
    if data.startswith(SIGNATURE[: len(data)]):
        return _parse_binary(data)
    end = data.find(b"\r\n", 0, LONGEST_LINE) + 2
    if end < 2:
        if len(data) >= LONGEST_LINE or not data.startswith(b"PROXY "[: len(data)]):
            raise bad_request("no PROXY protocol preamble")
        return None
    match = _LINE.fullmatch(data, 0, end)
    if match is None:
        raise bad_request("a PROXY protocol preamble that cannot be read")
    client, server, client_port, server_port = match.groups()
    if client is None:
        return None, end
    try:
        here, there = ip_address(client.decode()), ip_address(server.decode())
    except ValueError as error:
        raise bad_request(f"a PROXY protocol preamble: {error}") from None
    ports = int(client_port), int(server_port)
    if here.version != there.version or max(ports) > 65_535:
        raise bad_request(f"a PROXY protocol preamble from {here} to {there}, ports {ports}")
    return ConnectionAddresses(canonical(str(here)), ports[0], canonical(str(there)), ports[1]), end


def _parse_binary(data: bytes) -> tuple[ConnectionAddresses | None, int] | None:
    if len(data) < 16:
        return None
    version, family, length = struct.unpack_from("!BBH", data, 12)
    end = 16 + length
    if version >> 4 != 2 or version & 15 > 1 or end > LONGEST:
        raise bad_request("a PROXY protocol preamble that cannot be read")
    if len(data) < end:
        return None
    layout = _ADDRESSES.get(family >> 4)
    if version & 15 == 0 or layout is None:
        return None, end  # The peer itself is the client, or its client has no IP address.
    if length < layout.size:
        raise bad_request("a PROXY protocol preamble that is too short for its addresses")
    client, server, client_port, server_port = layout.unpack_from(data, 16)
    here, there = (canonical(str(ip_address(packed))) for packed in (client, server))
    return ConnectionAddresses(here, client_port, there, server_port), end


def line(addresses: ConnectionAddresses) -> bytes:
    """Return a version 1 preamble for a client's connection."""
    client, server = _addresses(addresses)
    if client is None or server is None:
        return b"PROXY UNKNOWN\r\n"
    ports = f"{addresses.client_port} {addresses.server_port}"
    return f"PROXY TCP{client.version} {client} {server} {ports}\r\n".encode()


def block(addresses: ConnectionAddresses) -> bytes:
    """Return a version 2 preamble for a client's connection."""
    client, server = _addresses(addresses)
    if client is None or server is None:
        return SIGNATURE + struct.pack("!BBH", 0x20, 0, 0)  # LOCAL: no client.
    family = 0x1 if client.version == 4 else 0x2
    layout = _ADDRESSES[family]
    packed = layout.pack(client.packed, server.packed, addresses.client_port, addresses.server_port)
    return SIGNATURE + struct.pack("!BBH", 0x21, family << 4 | 1, layout.size) + packed


PREAMBLES: Mapping[str, Callable[[ConnectionAddresses], bytes]] = {"v1": line, "v2": block}
"""The functions that write a preamble, by version."""


def _addresses(addresses: ConnectionAddresses) -> tuple[Address | None, Address | None]:
    """Return the addresses of client and server in one family; None for a client on a Unix socket."""
    if not addresses.client:
        return None, None
    client, server = ip_address(addresses.client), ip_address(addresses.server)
    if client.version == server.version:
        return client, server
    return _mapped(client), _mapped(server)


def _mapped(address: Address) -> IPv6Address:
    """Return an IPv4 address in its IPv4-mapped form, for a preamble whose other address is IPv6."""
    return address if isinstance(address, IPv6Address) else IPv6Address(f"::ffff:{address}")


class Preamble(asyncio.Protocol):
    """Reads the preamble of a connection, then hands the connection over to another protocol.

    Args:
        make: makes the protocol of the connection, given the addresses in the preamble. If a preamble
            contains none (UNKNOWN, LOCAL), the peer's address counts, and X-Forwarded fields do not.
        trusted: returns whether a peer's preamble counts.
        timeout: seconds within which the preamble must arrive.
        observe: called with the address of a refused peer and the reason. The peer receives no response,
            because it sent no request.
    """

    def __init__(
        self,
        make: Callable[..., asyncio.Protocol],
        trusted: Callable[[str], bool],
        timeout: float,
        observe: Callable[[str, ProxyError], object],
    ) -> None:
        self._make = make
        self._trusted = trusted
        self._timeout = timeout
        self._observe = observe
        self._address = ""
        self._data = b""
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._address = of_peer((transport.get_extra_info("peername") or ("", 0))[0])
        if self._trusted(self._address):
            late = ProxyError(
                Phase.REQUEST, Fault.CLIENT_TIMEOUT, "the PROXY protocol preamble took too long"
            )
            self._deadline = asyncio.get_running_loop().call_later(self._timeout, self._refuse, late)
        else:
            self._hand_over(self._make(), b"")

    def data_received(self, data: bytes) -> None:
        self._data += data
        try:
            found = parse(self._data)
        except ProxyError as error:
            self._refuse(error)
            return
        if found is not None:
            addresses, end = found
            self._hand_over(self._make(addresses, believed=addresses is not None), self._data[end:])

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        if self._deadline is not None:
            self._deadline.cancel()

    def _refuse(self, error: ProxyError) -> None:
        self._observe(self._address, error)
        self._transport.abort()

    def _hand_over(self, downstream: asyncio.Protocol, rest: bytes) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._transport.set_protocol(downstream)
        downstream.connection_made(self._transport)
        if rest:
            downstream.data_received(rest)
