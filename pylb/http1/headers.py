"""What pylb adds to a request so that a backend knows where it came from (semantics of traefik and caddy).

A peer that is not trusted has every such field of its own removed; one that is (`--trusted-proxies`) is
believed, and the chain grows. Spellings with underscores and the like are never believed: an honest proxy
does not use them, but may have let them through.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from pylb.http1 import grammar

_REWRITTEN = (*grammar.HOP_BY_HOP, rb"content-length", rb"expect", rb"host", rb"proxy", grammar.REQUEST_ID)
"""Fields that are written anew if at all: those for this hop, for routing and for framing, the request's id,
and `Proxy`, which CGI programs take for a setting (CVE-2016-5385)."""

STRIP_UNTRUSTED = grammar.without(*_REWRITTEN, *grammar.FORWARDED)
STRIP_TRUSTED = grammar.without(*_REWRITTEN, *grammar.FORGED)
_STRIP_TRUSTED_FORWARDED = grammar.without(*_REWRITTEN, *grammar.FORGED, rb"forwarded")

_NOTHING: Mapping[bytes, bytes] = MappingProxyType({})

_ID = re.compile(rb"[0-9A-Za-z\-._~+/=:@]{1,128}")
"""An X-Request-ID that is kept: short, and nothing in it could mean something to a reader of logs."""


class Origin:
    """Where the requests of one client connection come from, as backends are told.

    Args:
        address: the peer's IP address; empty for a peer on a Unix socket, which has none.
        scheme: `http` or `https`, as the client used it.
        port: the port that the client connected to.
        trusted: whether the peer's own X-Forwarded fields are believed.
        certificate: field lines about the client's certificate; a trusted peer's is not its clients'.
    """

    __slots__ = ("_certificate", "_fixed", "_fixed_and_host", "address", "port", "scheme", "strip", "trusted")

    def __init__(
        self, address: str, scheme: str, port: int, *, trusted: bool = False, certificate: bytes = b""
    ) -> None:
        # A zone means nothing on another host, and an IPv4 address is one however the socket shows it.
        self.address = address.split("%", 1)[0].removeprefix("::ffff:")
        self.scheme = scheme
        self.port = port
        self.trusted = trusted
        self.strip = STRIP_TRUSTED if trusted else STRIP_UNTRUSTED
        self._certificate = b"" if trusted else certificate
        self._fixed = self._about_client(_NOTHING)
        self._fixed_and_host = self._fixed + b"X-Forwarded-Host: "

    def lines(self, host: bytes, fields: Mapping[bytes, bytes]) -> bytes:
        """The field lines to add: X-Forwarded-For, -Proto, -Port, -Host, X-Real-IP.

        Args:
            host: what the client asked for.
            fields: what its request said itself, by name in lower case; read only if it is trusted.
        """
        if self.trusted and fields:
            host = fields.get(b"x-forwarded-host") or host
            told = self._about_client(fields)
            return b"%bX-Forwarded-Host: %b\r\n" % (told, host) if host else told
        return self._fixed_and_host + host + b"\r\n" if host else self._fixed

    def request_id(self, fields: Mapping[bytes, bytes]) -> bytes:
        """The X-Request-ID that a trusted peer gave, or nothing."""
        given = fields.get(b"x-request-id", b"") if self.trusted else b""
        return given if _ID.fullmatch(given) else b""

    def _about_client(self, said: Mapping[bytes, bytes]) -> bytes:
        address = self.address.encode()
        chain = b", ".join(filter(None, (said.get(b"x-forwarded-for"), address)))
        real = said.get(b"x-real-ip") or address
        return b"".join(
            (
                b"X-Forwarded-For: %b\r\n" % chain if chain else b"",
                b"X-Forwarded-Proto: %b\r\n" % (said.get(b"x-forwarded-proto") or self.scheme.encode()),
                b"X-Forwarded-Port: %b\r\n" % (said.get(b"x-forwarded-port") or b"%d" % self.port),
                b"X-Real-IP: %b\r\n" % real if real else b"",
                self._certificate,
            )
        )


class ForwardedOrigin(Origin):
    """Says the same in a `Forwarded` field as well (RFC 7239)."""

    __slots__ = ()

    def __init__(
        self, address: str, scheme: str, port: int, *, trusted: bool = False, certificate: bytes = b""
    ) -> None:
        super().__init__(address, scheme, port, trusted=trusted, certificate=certificate)
        if trusted:
            self.strip = _STRIP_TRUSTED_FORWARDED

    def lines(self, host: bytes, fields: Mapping[bytes, bytes]) -> bytes:
        """The field lines to add: those of `Origin`, and one more element of `Forwarded`."""
        element = b"for=%b;proto=%b" % (self._node(), self.scheme.encode())
        if host:
            element += b';host="%b"' % host
        said = fields.get(b"forwarded", b"") if self.trusted else b""
        chain = b"%b, %b" % (said, element) if said else element
        return b"%bForwarded: %b\r\n" % (super().lines(host, fields), chain)

    def _node(self) -> bytes:
        if not self.address:
            return b"unknown"
        return b'"[%b]"' % self.address.encode() if ":" in self.address else self.address.encode()
