"""Parser of the fields in which proxies describe a client: X-Forwarded-*, X-Real-IP, Forwarded (RFC 7239).

Only one of these sources is used per request, and all fields that backends receive are derived from it, so
that they cannot contradict each other. X-Forwarded-* and X-Real-IP take precedence over Forwarded, because a
proxy that sets them often forwards a client's own Forwarded field unchanged.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from pylb.http1 import grammar
from pylb.http1.address import of_node

MAX_HOPS = 32
"""Number of hops that are parsed, counted from the end of a chain. Real chains have fewer than ten."""

_FORWARDED_READ = 1024
"""Number of bytes of a Forwarded field that are parsed, counted from its end, which the nearest proxy
wrote."""

_PLAIN = rb'[^\t ",;\\]++'
"""An unquoted value. Some proxies omit quotes that the grammar requires (fabio: `httpproto=http/1.1`)."""
_PAIR = rb'%b=(?:%b|"[^"\\]*+")' % (grammar.TOKEN, _PLAIN)
_ELEMENT = re.compile(rb"[\t ]*+%b(?:[\t ]*+;[\t ]*+%b)*[\t ]*+" % (_PAIR, _PAIR))
"""An element of a Forwarded field. No address or host needs a quoted pair, so none is accepted."""
_PARAMETER = re.compile(rb'(%b)=(?:"([^"]*+)"|(%b))' % (grammar.TOKEN, _PLAIN))
_OBFUSCATED = re.compile(rb"_[0-9A-Za-z._\-]++")
_SCHEME = re.compile(rb"[a-z][0-9a-z+.\-]*+")

_X_FORWARDED = (
    b"x-forwarded-for",
    b"x-forwarded-proto",
    b"x-forwarded-host",
    b"x-forwarded-port",
    b"x-real-ip",
)
"""If one of these fields has a value, Forwarded is ignored."""


class Hop(NamedTuple):
    """One element of a chain."""

    node: bytes
    """The element of X-Forwarded-For: the canonical address, or the received text if it is not an address."""
    address: str
    """The canonical address; empty if the node is not an address."""
    scheme: bytes = b""
    """The scheme with which the request reached the proxy that wrote the element; empty if unknown."""
    host: bytes = b""


class Claims(NamedTuple):
    """The client's data according to one request's fields. An empty value means that no field gives it."""

    hops: tuple[Hop, ...] = ()
    """From the client to the peer of the nearest proxy."""
    earlier: bytes = b""
    """The unparsed beginning of a chain with more than `MAX_HOPS` hops."""
    scheme: bytes = b""
    host: bytes = b""
    port: int = 0


class Identity(NamedTuple):
    """The client of a request, determined from the trusted part of its fields."""

    client: str
    """The client's address; empty behind a Unix socket."""
    scheme: bytes
    """The scheme that the client used: `http` or `https`."""
    lines: bytes
    """The field lines that backends receive: X-Forwarded-For, -Proto, -Port, -Host, X-Real-IP."""


def read_claims(fields: Mapping[bytes, bytes]) -> Claims:
    """Parse the fields of a request that describe its client.

    Args:
        fields: values by name in lower case; several values of one name are joined by commas.
    """
    if b"forwarded" in fields and not any(fields.get(name) for name in _X_FORWARDED):
        return Claims(forwarded_hops(fields[b"forwarded"]))
    earlier, hops = _chain(fields.get(b"x-forwarded-for") or fields.get(b"x-real-ip", b""))
    return Claims(
        hops,
        earlier,
        fields.get(b"x-forwarded-proto", b"").lower(),
        fields.get(b"x-forwarded-host", b""),
        port_number(fields.get(b"x-forwarded-port", b"")),
    )


def forwarded_hops(value: bytes) -> tuple[Hop, ...]:
    """Parse a Forwarded field from its end, up to the first invalid element.

    Parsing starts at the end, so that an unterminated quote of a client cannot hide the elements that proxies
    append.
    """
    if len(value) > _FORWARDED_READ:
        value = value[-_FORWARDED_READ:].partition(b",")[2]
    hops: list[Hop] = []
    start = end = len(value)
    while start >= 0 and len(hops) < MAX_HOPS:
        start = value.rfind(b",", 0, start)
        match = _ELEMENT.fullmatch(value, start + 1, end)
        if match is not None:  # Otherwise the comma is inside quotes.
            hops.append(_hop(match[0]))
            end = start
    return tuple(reversed(hops))


def _hop(text: bytes) -> Hop:
    """Convert an element of Forwarded to a hop."""
    parameters = {name.lower(): quoted or plain for name, quoted, plain in _PARAMETER.findall(text)}
    node, scheme, host = (parameters.get(name, b"") for name in (b"for", b"proto", b"host"))
    address = of_node(node.decode("latin-1"))
    return Hop(
        address.encode() or (node if _OBFUSCATED.fullmatch(node) else b"unknown"),
        address,
        scheme.lower() if _SCHEME.fullmatch(scheme.lower()) else b"",
        host if grammar.HOST.fullmatch(host) else b"",
    )


def element(hop: Hop) -> bytes:
    """Format a hop as an element of Forwarded."""
    if ":" in hop.address:
        node = b'"[%b]"' % hop.node
    elif hop.address or _OBFUSCATED.fullmatch(hop.node):
        node = hop.node
    else:
        node = b"unknown"
    scheme = b";proto=%b" % hop.scheme if hop.scheme else b""
    host = b';host="%b"' % hop.host if hop.host else b""
    return b"for=%b%b%b" % (node, scheme, host)


def port_number(digits: bytes) -> int:
    """Parse a port number; 0 if it is invalid."""
    port = int(digits) if digits.isdigit() and len(digits) <= 5 else 0
    return port if port < 65_536 else 0


def _chain(value: bytes) -> tuple[bytes, tuple[Hop, ...]]:
    """Parse X-Forwarded-For. Returns the text before the last `MAX_HOPS` hops, and these hops."""
    *earlier, last = value.rsplit(b",", MAX_HOPS)
    nodes = [*earlier, last]
    before = nodes.pop(0) if len(nodes) > MAX_HOPS else b""
    hops = []
    for node in nodes:
        text = node.strip(b"\t ")
        if text:
            address = of_node(text.decode("latin-1"))
            hops.append(Hop(address.encode() or text, address))
    return before.strip(b"\t "), tuple(hops)
