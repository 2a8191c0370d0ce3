"""What pylb adds to a request so that a backend knows where it came from (semantics of traefik and caddy).

A peer that is not trusted has every such field of its own removed; one that is (`--trusted-proxies`) is believed,
and the chain grows.
"""

from __future__ import annotations

import re

from pylb.http1 import grammar

VIA = b"Via: 1.1 pylb\r\n"
"""A gateway must name itself to backends (RFC 9110 §7.6.3)."""

STRIP_UNTRUSTED = grammar.without(*grammar.HOP_BY_HOP, *grammar.FORWARDED, rb"proxy", rb"x[-_]request[-_]id")
"""Hop-by-hop, forged, and `Proxy`, which CGI programs take for a setting (CVE-2016-5385)."""

STRIP_TRUSTED = grammar.without(
    *grammar.HOP_BY_HOP,
    rb"x[-_]forwarded[-_](?:for|proto|host|port)",
    rb"x[-_]real[-_]ip",
    rb"proxy",
    rb"x[-_]request[-_]id",
)

_LIST_END = re.compile(rb"[\t ]*+$")


class Origin:
    """Where the requests of one client connection come from, as backends are told.

    Args:
        address: the peer's IP address.
        scheme: `http` or `https`, as the client used it.
        port: the port that the client connected to.
        trusted: whether the peer's own X-Forwarded fields are believed.
    """

    __slots__ = ("_fixed", "address", "port", "scheme", "strip", "trusted")

    def __init__(self, address: str, scheme: str, port: int, *, trusted: bool = False) -> None:
        self.address = address.split("%", 1)[0]  # A zone means nothing on another host.
        self.scheme = scheme
        self.port = port
        self.trusted = trusted
        self.strip = STRIP_TRUSTED if trusted else STRIP_UNTRUSTED
        self._fixed = (
            f"X-Forwarded-For: {self.address}\r\nX-Forwarded-Proto: {scheme}\r\n"
            f"X-Forwarded-Port: {port}\r\nX-Real-IP: {self.address}\r\n"
        ).encode() + VIA

    def lines(self, host: bytes, fields: list[tuple[bytes, bytes]]) -> bytes:
        """The field lines to add: X-Forwarded-For, -Proto, -Port, -Host, X-Real-IP, Via.

        Args:
            host: what the client asked for.
            fields: what its request said itself; read only if it is trusted.
        """
        if not self.trusted:
            return b"%bX-Forwarded-Host: %b\r\n" % (self._fixed, host) if host else self._fixed
        said: dict[bytes, bytes] = {}
        for name, value in fields:
            key = name.lower().replace(b"_", b"-")
            value = _LIST_END.sub(b"", value)
            said[key] = said[key] + b", " + value if key == b"x-forwarded-for" and key in said else value
        address = self.address.encode()
        chain = said.get(b"x-forwarded-for")
        return b"".join((
            b"X-Forwarded-For: ", chain + b", " + address if chain else address,
            b"\r\nX-Forwarded-Proto: ", said.get(b"x-forwarded-proto", self.scheme.encode()),
            b"\r\nX-Forwarded-Port: ", said.get(b"x-forwarded-port", str(self.port).encode()),
            b"\r\nX-Real-IP: ", said.get(b"x-real-ip", address),
            b"\r\nX-Forwarded-Host: ", said.get(b"x-forwarded-host", host),
            b"\r\n", VIA,
        ))  # fmt: skip

    def request_id(self, fields: list[tuple[bytes, bytes]]) -> bytes:
        """The X-Request-ID that a trusted peer gave, or nothing."""
        if self.trusted:
            for name, value in fields:
                if name.lower().replace(b"_", b"-") == b"x-request-id":
                    return value.rstrip(b"\t ")
        return b""
