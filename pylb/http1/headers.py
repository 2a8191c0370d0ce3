"""What pylb adds to a request so that a backend knows where it came from (semantics of traefik and caddy).

A peer that is not trusted has every such field of its own removed; one that is (`--trusted-proxies`) is
believed, and the chain grows. Spellings with underscores and the like are never believed: an honest proxy
does not use them, but may have let them through.
"""

from __future__ import annotations

import re
from collections.abc import Container, Sequence

from pylb.http1 import grammar
from pylb.http1.forwarded import Claims, Hop, Identity, element, port_number, read_claims
from pylb.http1.parser import Request

_REWRITTEN = (*grammar.HOP_BY_HOP, rb"content-length", rb"expect", rb"host", rb"proxy", grammar.REQUEST_ID)
"""Fields that are written anew if at all: those for this hop, for routing and for framing, the request's id,
and `Proxy`, which CGI programs take for a setting (CVE-2016-5385)."""

_STRIP_UNTRUSTED = grammar.without(*_REWRITTEN, *grammar.FORWARDED)

_ID = re.compile(rb"[0-9A-Za-z\-._~+/=:@]{1,128}")
"""An X-Request-ID that is kept: short, and nothing in it could mean something to a reader of logs."""

_DEFAULT_PORTS = {b"http": 80, b"https": 443, b"ws": 80, b"wss": 443}

_REQUEST_ID = b"X-Request-ID: "


class ClientInfo:
    """Where the requests of one client connection come from, as backends are told.

    Args:
        address: the peer's IP address in its canonical spelling; empty for a peer on a Unix socket.
        scheme: `http` or `https`, as the peer used it.
        proxies: the addresses whose X-Forwarded fields are believed.
        certificate: field lines about the client's certificate; a trusted peer's is not its clients'.
        via: the name that pylb adds to `Via` (RFC 9110 §7.6.3); empty to add none.
    """

    __slots__ = (
        *("_around", "_certificate", "_host", "_lines", "_proxies", "_scheme"),
        *("address", "strip", "trusted", "via"),
    )

    _strip_trusted = grammar.without(*_REWRITTEN, *grammar.FORGED)

    def __init__(
        self,
        address: str,
        scheme: str,
        *,
        proxies: Container[str] = (),
        certificate: bytes = b"",
        via: str = "",
    ) -> None:
        self.address = address
        self.trusted = address in proxies
        self.strip = self._strip_trusted if self.trusted else _STRIP_UNTRUSTED
        self.via = tuple(
            b"Via: 1.%d %b\r\n%b" % (minor, via.encode(), _REQUEST_ID) if via else _REQUEST_ID
            for minor in (0, 1)
        )
        """By minor version of the request: a line for `Via`, if any, and the beginning of the id's line."""
        self._proxies = proxies
        self._scheme = scheme.encode()
        self._certificate = b"" if self.trusted else certificate
        self._host = b""
        """The host of the last request whose fields name no client; mostly the next one asks for it, too."""
        self._around = self._around_port(address.encode(), self._scheme, address)
        self._lines = self._plain(b"")

    def lines(self, request: Request) -> bytes:
        """The field lines that backends receive: X-Forwarded-For, -Proto, -Port, -Host, X-Real-IP."""
        if self.trusted and request.fields:
            return self.identify(request).lines
        if request.host != self._host:
            self._host, self._lines = request.host, self._plain(request.host)
        return self._lines

    def identify(self, request: Request) -> Identity:
        """Find out which client a request comes from."""
        if request.identity is None:
            if self.trusted and request.fields:
                request.identity = self._identify(request.host, read_claims(request.fields))
            else:
                request.identity = Identity(self.address, self._scheme, self.lines(request))
        return request.identity

    def request_id(self, request: Request) -> bytes:
        """The X-Request-ID that a trusted peer gave, or nothing."""
        given = request.fields.get(b"x-request-id", b"") if self.trusted else b""
        return given if _ID.fullmatch(given) else b""

    def _plain(self, host: bytes) -> bytes:
        """The field lines of a request whose fields name no client."""
        return _complete(self._around, _port(host, self._scheme), host) + self._forwarded(host, ())

    def _identify(self, host: bytes, claims: Claims) -> Identity:
        """The client is the last address in the chain that no trusted peer has.

        What stands before it was written by somebody who is not trusted, and may be a lie.
        """
        client, scheme, asked = self.address, self._scheme, host
        for hop in reversed(claims.hops):
            if client not in self._proxies:
                break
            scheme, asked = hop.scheme or scheme, hop.host or asked
            if not hop.address:
                break
            client = hop.address
        scheme, asked = claims.scheme or scheme, claims.host or asked
        chain = (claims.earlier, *(hop.node for hop in claims.hops), self.address.encode())
        around = self._around_port(b", ".join(filter(None, chain)), scheme, client)
        lines = _complete(around, claims.port or _port(asked, scheme), asked)
        return Identity(client, scheme, lines + self._forwarded(host, claims.hops))

    def _around_port(self, chain: bytes, scheme: bytes, client: str) -> tuple[bytes, bytes]:
        """What is told before the port, and after it."""
        return (
            (b"X-Forwarded-For: %b\r\n" % chain if chain else b"")
            + b"X-Forwarded-Proto: %b\r\nX-Forwarded-Port: " % scheme,
            (b"\r\nX-Real-IP: %b\r\n" % client.encode() if client else b"\r\n") + self._certificate,
        )

    def _forwarded(self, host: bytes, hops: Sequence[Hop]) -> bytes:  # noqa: ARG002
        """A `Forwarded` field, where one is wanted."""
        return b""


class ForwardedClientInfo(ClientInfo):
    """Says the same in a `Forwarded` field as well (RFC 7239)."""

    __slots__ = ()

    _strip_trusted = grammar.without(*_REWRITTEN, *grammar.FORGED, rb"forwarded")

    def _forwarded(self, host: bytes, hops: Sequence[Hop]) -> bytes:
        """The chain of X-Forwarded-For as elements, and one for this hop (RFC 7239 §7.4)."""
        here = Hop(self.address.encode(), self.address, self._scheme, host)
        return b"Forwarded: %b\r\n" % b", ".join(map(element, (*hops, here)))


def _complete(around: tuple[bytes, bytes], port: int, asked: bytes) -> bytes:
    """Field lines with the port, and the host that a client asked for, if any."""
    before, after = around
    return b"%b%d%b%b" % (before, port, after, b"X-Forwarded-Host: %b\r\n" % asked if asked else b"")


def _port(host: bytes, scheme: bytes) -> int:
    """The port that a client used: the one in the host that it asked for, or else its scheme's."""
    _, colon, digits = host.rpartition(b":")
    port = port_number(digits) if colon else 0
    return port or _DEFAULT_PORTS.get(scheme.partition(b",")[0].rstrip(b"\t "), 80)
