"""The PROXY protocol, versions 1 and 2: a preamble in which a load balancer before us names its client.

Source: HAProxy's doc/proxy-protocol.txt. A listener that accepts it expects it from every trusted peer: to
guess would let a client write it. From anybody else it is no HTTP, and is refused as such.
"""

from __future__ import annotations

import asyncio
import re
import struct
from collections.abc import Callable
from ipaddress import ip_address
from typing import cast

from pylb.proxy.downstream import Downstream, Peer

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
"""The beginning of a version 2 preamble; no HTTP request can begin so."""

LONGEST_LINE = 107
"""Bytes of a version 1 preamble, line end included."""

LONGEST = 16 + 2048
"""Bytes of a version 2 preamble that are accepted: addresses, and what load balancers add as TLVs."""

_LINE = re.compile(
    rb"PROXY (?:UNKNOWN[^\r]*|(?:TCP4|TCP6) ([0-9A-Fa-f:.]+) ([0-9A-Fa-f:.]+) ([0-9]{1,5}) ([0-9]{1,5}))\r\n"
)
_ADDRESSES = {0x1: struct.Struct("!4s4sHH"), 0x2: struct.Struct("!16s16sHH")}
"""By address family: client, server, and their ports."""


class PreambleError(ValueError):
    """What came is no preamble; the message says why."""


def parse(data: bytes) -> tuple[Peer | None, int] | None:
    """Read a preamble.

    Args:
        data: all that has arrived, at least a byte.

    Returns:
        Who the client is and how long the preamble was; None for a client if it names none (a health check
        of the peer's own); None for all if there is not enough yet.

    Raises:
        PreambleError: it is none.
    """
    if data.startswith(SIGNATURE[: len(data)]):
        return _parse_binary(data)
    end = data.find(b"\r\n", 0, LONGEST_LINE) + 2
    if end < 2:
        if len(data) >= LONGEST_LINE or not data.startswith(b"PROXY "[: len(data)]):
            raise PreambleError("no PROXY protocol preamble")
        return None
    match = _LINE.fullmatch(data, 0, end)
    if match is None:
        raise PreambleError("a PROXY protocol preamble that cannot be read")
    source, _, _, port = match.groups()
    if source is None:
        return None, end
    try:
        return Peer(str(ip_address(source.decode())), int(port)), end
    except ValueError:
        raise PreambleError(f"a PROXY protocol preamble with the address {source!r}") from None


def _parse_binary(data: bytes) -> tuple[Peer | None, int] | None:
    if len(data) < 16:
        return None
    version, family, length = struct.unpack_from("!BBH", data, 12)
    end = 16 + length
    if version >> 4 != 2 or version & 15 > 1 or end > LONGEST:
        raise PreambleError("a PROXY protocol preamble that cannot be read")
    if len(data) < end:
        return None
    layout = _ADDRESSES.get(family >> 4)
    if version & 15 == 0 or layout is None:
        return None, end  # The peer speaks for itself, or its client has no IP address.
    if length < layout.size:
        raise PreambleError("a PROXY protocol preamble that is too short for its addresses")
    source, _, _, port = layout.unpack_from(data, 16)
    return Peer(str(ip_address(source)), port), end


class Preamble(asyncio.Protocol):
    """Reads the preamble of a connection, then lets a `Downstream` have it.

    Args:
        make: makes the connection's protocol for the client that was named.
        trusted: whether a peer's preamble counts.
        timeout: seconds that it may take to arrive.
    """

    def __init__(
        self, make: Callable[[Peer | None], Downstream], trusted: Callable[[str], bool], timeout: float
    ) -> None:
        self._make = make
        self._trusted = trusted
        self._timeout = timeout
        self._data = b""
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername") or ("", 0)
        if self._trusted(peer[0]):
            loop = asyncio.get_running_loop()
            self._deadline = loop.call_later(self._timeout, self._transport.abort)
        else:
            self._hand_over(None, b"")

    def data_received(self, data: bytes) -> None:
        self._data += data
        try:
            found = parse(self._data)
        except PreambleError:
            self._transport.abort()
            return
        if found is not None:
            client, end = found
            self._hand_over(client, self._data[end:])

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        if self._deadline is not None:
            self._deadline.cancel()

    def _hand_over(self, client: Peer | None, rest: bytes) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        downstream = self._make(client)
        self._transport.set_protocol(downstream)
        downstream.connection_made(self._transport)
        if rest:
            downstream.data_received(rest)
