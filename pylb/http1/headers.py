"""The fields with which pylb describes the client to a backend (semantics of Traefik and Caddy).

pylb removes all such fields from requests of an untrusted peer. It accepts those of a trusted peer
(`--trusted-proxies`) and appends the peer to the chain. Spellings with underscores and similar characters are
always removed: a proxy does not use them, but may have forwarded those of a client.
"""

from __future__ import annotations

import re
from collections.abc import Container, Sequence

from pylb.http1 import grammar
from pylb.http1.forwarded import Claims, Hop, Identity, element, port_number, read_claims
from pylb.http1.parser import Request

_REWRITTEN = (*grammar.HOP_BY_HOP, rb"content-length", rb"expect", rb"host", rb"proxy", grammar.REQUEST_ID)
"""Fields that are removed and, where needed, written again: fields of this hop, for routing and for framing,
the request's id, and `Proxy`, which CGI programs mistake for a setting (CVE-2016-5385)."""

_STRIP_UNTRUSTED = grammar.without(*_REWRITTEN, *grammar.FORWARDED)

_ID = re.compile(rb"[0-9A-Za-z\-._~+/=:@]{1,128}")
"""An X-Request-ID that is kept: short, and without characters that have a meaning in logs."""

_DEFAULT_PORTS = {b"http": 80, b"https": 443, b"ws": 80, b"wss": 443}

_REQUEST_ID = b"X-Request-ID: "


class ClientInfo:
    """The facts about one client connection that backends receive in forwarding fields.

    Args:
        address: the peer's IP address in canonical form; empty for a peer on a Unix socket.
        scheme: the scheme that the peer used: `http` or `https`.
        proxies: the addresses whose X-Forwarded fields are accepted.
        certificate: field lines about the peer's certificate. They are not sent for a trusted peer, because
            its certificate is not that of its clients.
        via: the name that pylb adds to `Via` (RFC 9110 §7.6.3); empty to add none.
        version: the major version of HTTP on the connection.
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
        version: int = 1,
    ) -> None:
        self.address = address
        self.trusted = address in proxies
        self.strip = self._strip_trusted if self.trusted else _STRIP_UNTRUSTED
        self.via = tuple(
            b"Via: %b %b\r\n%b" % (protocol, via.encode(), _REQUEST_ID) if via else _REQUEST_ID
            for protocol in ((b"1.0", b"1.1") if version == 1 else (b"2", b"2"))
        )
        """By minor version of the request: the `Via` line, if any, and the name of X-Request-ID."""
        self._proxies = proxies
        self._scheme = scheme.encode()
        self._certificate = b"" if self.trusted else certificate
        self._host = b""
        """The host for which `_lines` was built; the next request mostly has the same host."""
        self._around = self._around_port(address.encode(), self._scheme, address)
        self._lines = self._plain(b"")

    def lines(self, request: Request) -> bytes:
        """Return the field lines for backends: X-Forwarded-For, -Proto, -Port, -Host, X-Real-IP."""
        if self.trusted and request.fields:
            return self.identify(request).lines
        if request.host != self._host:
            self._host, self._lines = request.host, self._plain(request.host)
        return self._lines

    def identify(self, request: Request) -> Identity:
        """Determine the client of a request, once per request."""
        if request.identity is None:
            if self.trusted and request.fields:
                request.identity = self._identify(request.host, read_claims(request.fields))
            else:
                request.identity = Identity(self.address, self._scheme, self.lines(request))
        return request.identity

    def request_id(self, request: Request) -> bytes:
        """Return the X-Request-ID of a request from a trusted peer; empty if absent or invalid."""
        given = request.fields.get(b"x-request-id", b"") if self.trusted else b""
        return given if _ID.fullmatch(given) else b""

    def _plain(self, host: bytes) -> bytes:
        """Return the field lines of a request without accepted forwarding fields."""
        return _complete(self._around, _port(host, self._scheme), host) + self._forwarded(host, ())

    def _identify(self, host: bytes, claims: Claims) -> Identity:
        """Determine the client from forwarding fields: the last address of the chain that is not trusted.

        Untrusted peers wrote the hops before it, so those may be forged.
        """
        client, scheme, wanted = self.address, self._scheme, host
        for hop in reversed(claims.hops):
            if client not in self._proxies:
                break
            scheme, wanted = hop.scheme or scheme, hop.host or wanted
            if not hop.address:
                break
            client = hop.address
        scheme, wanted = claims.scheme or scheme, claims.host or wanted
        chain = (claims.earlier, *(hop.node for hop in claims.hops), self.address.encode())
        around = self._around_port(b", ".join(filter(None, chain)), scheme, client)
        lines = _complete(around, claims.port or _port(wanted, scheme), wanted)
        return Identity(client, scheme, lines + self._forwarded(host, claims.hops))

    def _around_port(self, chain: bytes, scheme: bytes, client: str) -> tuple[bytes, bytes]:
        """Return the field lines before the port and after it."""
        return (
            (b"X-Forwarded-For: %b\r\n" % chain if chain else b"")
            + b"X-Forwarded-Proto: %b\r\nX-Forwarded-Port: " % scheme,
            (b"\r\nX-Real-IP: %b\r\n" % client.encode() if client else b"\r\n") + self._certificate,
        )

    def _forwarded(self, host: bytes, hops: Sequence[Hop]) -> bytes:  # noqa: ARG002
        """Return a `Forwarded` field; this class adds none."""
        return b""


class ForwardedClientInfo(ClientInfo):
    """`ClientInfo` that also writes a `Forwarded` field (RFC 7239)."""

    __slots__ = ()

    _strip_trusted = grammar.without(*_REWRITTEN, *grammar.FORGED, rb"forwarded")

    def _forwarded(self, host: bytes, hops: Sequence[Hop]) -> bytes:
        """Return the chain of X-Forwarded-For as elements, followed by one for this hop (RFC 7239 §7.4)."""
        here = Hop(self.address.encode(), self.address, self._scheme, host)
        return b"Forwarded: %b\r\n" % b", ".join(map(element, (*hops, here)))


def _complete(around: tuple[bytes, bytes], port: int, host: bytes) -> bytes:
    """Insert the port into the field lines, and append X-Forwarded-Host if there is a host."""
    before, after = around
    return b"%b%d%b%b" % (before, port, after, b"X-Forwarded-Host: %b\r\n" % host if host else b"")


def _port(host: bytes, scheme: bytes) -> int:
    """Return the port that the client used: that of its host, or else the default port of its scheme."""
    _, colon, digits = host.rpartition(b":")
    port = port_number(digits) if colon else 0
    return port or _DEFAULT_PORTS.get(scheme.partition(b",")[0].rstrip(b"\t "), 80)
