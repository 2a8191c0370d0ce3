"""What proxies in front of pylb write about a client: X-Forwarded-*, X-Real-IP, or Forwarded (RFC 7239).

One of them counts, and everything that backends receive follows from it, so that no two fields disagree.
X-Forwarded-* and X-Real-IP come first: a proxy that sets these often passes a client's own Forwarded on.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from pylb.http1 import grammar
from pylb.http1.address import of_node

MAX_HOPS = 32
"""Hops of a chain that are read, from its end. Real chains have fewer than ten."""

_FORWARDED_READ = 1024
"""Bytes of a Forwarded field that are read, from its end, which the nearest proxy wrote."""

_PLAIN = rb'[^\t ",;\\]++'
"""A value without quotes. Proxies omit them where the grammar wants them (fabio: `httpproto=http/1.1`)."""
_PAIR = rb'%b=(?:%b|"[^"\\]*+")' % (grammar.TOKEN, _PLAIN)
_ELEMENT = re.compile(rb"[\t ]*+%b(?:[\t ]*+;[\t ]*+%b)*[\t ]*+" % (_PAIR, _PAIR))
"""An element of a Forwarded field. No address or host needs a quoted pair, so none is read."""
_PARAMETER = re.compile(rb'(%b)=(?:"([^"]*+)"|(%b))' % (grammar.TOKEN, _PLAIN))
_OBFUSCATED = re.compile(rb"_[0-9A-Za-z._\-]++")
_SCHEME = re.compile(rb"[a-z][0-9a-z+.\-]*+")

_ALONE = (
    b"x-forwarded-for",
    b"x-forwarded-proto",
    b"x-forwarded-host",
    b"x-forwarded-port",
    b"x-real-ip",
)
"""A front that sends one of these does not speak Forwarded alone."""


class Hop(NamedTuple):
    """One element of a chain."""

    node: bytes
    """As X-Forwarded-For has it: the address in one spelling, or what was written in its place."""
    address: str
    """Empty if the node is none."""
    scheme: bytes = b""
    """How the request came to the proxy that wrote the element; empty if it does not say so."""
    host: bytes = b""


class Claims(NamedTuple):
    """What one request's fields say. An empty value is not said."""

    hops: tuple[Hop, ...] = ()
    """From the client to the nearest proxy's peer."""
    earlier: bytes = b""
    """What stands before the hops in a chain that has too many, as it came."""
    scheme: bytes = b""
    host: bytes = b""
    port: int = 0


class Identity(NamedTuple):
    """The client of a request, as far as its fields are believed."""

    client: str
    """Its address; empty behind a Unix socket."""
    scheme: bytes
    """`http` or `https`, as the client used it."""
    lines: bytes
    """The field lines that backends receive: X-Forwarded-For, -Proto, -Port, -Host, X-Real-IP."""


def read_claims(fields: Mapping[bytes, bytes]) -> Claims:
    """Read what a request says of its client.

    Args:
        fields: by name in lower case, values of one name joined.
    """
    if b"forwarded" in fields and not any(fields.get(name) for name in _ALONE):
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
    """The elements of a Forwarded field, up to the first, from the end, that breaks the grammar.

    To read from the end keeps a client from swallowing by an open quote what a proxy wrote after it.
    """
    if len(value) > _FORWARDED_READ:
        value = value[-_FORWARDED_READ:].partition(b",")[2]
    hops: list[Hop] = []
    start = end = len(value)
    while start >= 0 and len(hops) < MAX_HOPS:
        start = value.rfind(b",", 0, start)
        match = _ELEMENT.fullmatch(value, start + 1, end)
        if match is not None:  # Else the comma is inside quotes.
            hops.append(_hop(match[0]))
            end = start
    return tuple(reversed(hops))


def _hop(written: bytes) -> Hop:
    """An element of Forwarded as a hop."""
    said = {name.lower(): quoted or plain for name, quoted, plain in _PARAMETER.findall(written)}
    node, scheme, host = (said.get(name, b"") for name in (b"for", b"proto", b"host"))
    address = of_node(node.decode("latin-1"))
    return Hop(
        address.encode() or (node if _OBFUSCATED.fullmatch(node) else b"unknown"),
        address,
        scheme.lower() if _SCHEME.fullmatch(scheme.lower()) else b"",
        host if grammar.HOST.fullmatch(host) else b"",
    )


def element(hop: Hop) -> bytes:
    """A hop as an element of Forwarded."""
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
    """A port that exists, or 0."""
    port = int(digits) if digits.isdigit() and len(digits) <= 5 else 0
    return port if port < 65_536 else 0


def _chain(value: bytes) -> tuple[bytes, tuple[Hop, ...]]:
    """The hops of an X-Forwarded-For, and what stands before them if there are too many."""
    *earlier, last = value.rsplit(b",", MAX_HOPS)
    nodes = [*earlier, last]
    before = nodes.pop(0) if len(nodes) > MAX_HOPS else b""
    hops = []
    for node in nodes:
        said = node.strip(b"\t ")
        if said:
            address = of_node(said.decode("latin-1"))
            hops.append(Hop(address.encode() or said, address))
    return before.strip(b"\t "), tuple(hops)
