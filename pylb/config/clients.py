"""Options for clients: listeners, TLS, client addresses and limits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pylb.config.kinds import (
    ADDRESS,
    DURATION,
    FILE,
    FLAG,
    NETWORK,
    SIZE,
    SIZE_OR_OFF,
    SIZE_OR_UNLIMITED,
    VIA,
    Address,
    integer,
    integer_or_off,
    or_off,
    some_of,
    text,
)
from pylb.config.option import Group, option, repeated
from pylb.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class Listen(Group):
    """The addresses for clients and for operators."""

    title: ClassVar = "Listen"

    listen: tuple[Address, ...] = repeated(ADDRESS, "0.0.0.0:8080", "Address that accepts HTTP requests.")
    admin: Address | None = option(
        or_off(ADDRESS),
        "127.0.0.1:8081",
        "Address of the dashboard, the API, /health, /ready and /metrics; `off` disables them.",
    )
    admin_token: str | None = option(
        text("TOKEN", "a token"),
        None,
        "Bearer token required for API requests that change state. Without one, changes are accepted only "
        "on a loopback --admin.",
        secret=True,
    )
    admin_token_file: str | None = option(
        FILE, None, "File with the token of --admin-token, which keeps the token out of the process list."
    )
    ready_max_age: float | None = option(
        or_off(DURATION),
        "off",
        "Fail /ready when the last registry response is older than this. By default, age is ignored.",
    )


@dataclass(frozen=True, kw_only=True)
class Tls(Group):
    """TLS between clients and pylb."""

    title: ClassVar = "TLS"

    listen_tls: tuple[Address, ...] = repeated(
        ADDRESS,
        None,
        "Address that accepts HTTPS requests, on a port other than those of --listen; requires a "
        "certificate.",
    )
    tls_cert: tuple[str, ...] = repeated(
        FILE,
        None,
        "PEM certificate with its chain. The SNI of a client selects among several. Changed files are "
        "reloaded.",
    )
    tls_key: tuple[str, ...] = repeated(FILE, None, "PEM private key of each --tls-cert, in the same order.")
    tls_dir: str | None = option(
        FILE,
        None,
        "Directory of certificates: NAME.crt with NAME.key, or certbot's live/NAME folders. New and changed "
        "files are loaded automatically.",
    )
    tls_client_ca: str | None = option(
        FILE,
        None,
        "CA bundle used to verify client certificates, which backends receive as X-Client-Cert-* headers. By "
        "default, none is requested.",
    )
    tls_client_required: bool = option(
        FLAG, "off", "Reject TLS clients without a certificate that --tls-client-ca verifies."
    )
    tls_client_fields: frozenset[str] = option(
        some_of("subject", "issuer", "serial", "fingerprint", "pem"),
        "subject,serial,fingerprint",
        "Parts of a verified client certificate sent to backends, as X-Client-Cert-Subject etc.; `pem` is "
        "URL-encoded.",
    )
    redirect_to_tls: int = option(
        integer_or_off(65_535), "off", "Redirect requests on --listen to https on this port."
    )
    hsts: int = option(
        integer_or_off(10**9),
        "off",
        "Send a Strict-Transport-Security header (RFC 6797) with this max-age in seconds.",
    )

    def check(self) -> None:
        """Reject keys without certificates, certificates without a TLS listener, and the reverse."""
        super().check()
        if len(self.tls_cert) != len(self.tls_key):
            raise UsageError(f"--tls-key: got {len(self.tls_key)}, expected one for each --tls-cert")
        if self.listen_tls and not (self.tls_cert or self.tls_dir):
            raise UsageError("--listen-tls: expected --tls-cert or --tls-dir with it")
        if not self.listen_tls and (self.tls_cert or self.tls_dir):
            raise UsageError("--tls-cert and --tls-dir: expected --listen-tls with them")


@dataclass(frozen=True, kw_only=True)
class ClientAddress(Group):
    """Which proxies may state a client's address, and how pylb forwards it to backends."""

    title: ClassVar = "Client address"

    trusted_proxies: tuple[str, ...] = repeated(
        NETWORK,
        None,
        "Network of proxies in front of pylb whose X-Forwarded-* and Forwarded headers are accepted; `unix` "
        "means Unix sockets. From other clients, these headers are removed.",
    )
    proxy_protocol: bool = option(
        FLAG, "off", "Require a PROXY protocol header, version 1 or 2, from --trusted-proxies on --listen."
    )
    forwarded: bool = option(FLAG, "off", "Also send a Forwarded header (RFC 7239) to backends.")
    via: str = option(
        VIA,
        "off",
        "Add this name to the Via header of requests (RFC 9110 section 7.6.3); `on` adds pylb. An nginx "
        "behind pylb may then stop compressing.",
    )

    explain_to: tuple[str, ...] = repeated(
        NETWORK,
        None,
        "Network of clients that may send X-Pylb-Explain to receive the routing decision in response "
        "headers. By default, none may.",
    )

    def check(self) -> None:
        """Reject a PROXY protocol header that no client may send."""
        super().check()
        if self.proxy_protocol and not self.trusted_proxies:
            raise UsageError("--proxy-protocol: expected --trusted-proxies with it")


@dataclass(frozen=True, kw_only=True)
class Limits(Group):
    """Limits on requests, bodies and client connections."""

    title: ClassVar = "Limits"

    # nginx: 4 x 8 KiB; HAProxy: 15 KiB; Node: 16 KiB.
    max_head: int = option(
        SIZE,
        "32KiB",
        "Maximum size of a request line and header fields together; larger ones are answered with 431.",
    )
    # RFC 9112 section 3 recommends at least 8,000 bytes.
    max_target: int = option(
        SIZE, "8KiB", "Maximum size of a request target (path and query); larger ones are answered with 414."
    )
    # HAProxy: 101; Apache: 100.
    max_headers: int = option(
        integer(1, 10_000),
        "100",
        "Maximum header fields in a message. A request with more is answered with 431, a response with 502.",
    )
    max_body: float = option(
        SIZE_OR_UNLIMITED,
        "off",
        "Maximum size of a request body; larger ones are answered with 413. Bodies are streamed, not "
        "buffered.",
    )
    min_body_rate: int = option(
        SIZE_OR_OFF,
        "240",
        "Minimum rate, in bytes per second averaged over --body-timeout, at which a client must send or "
        "receive a body.",
    )
    max_connections: int = option(
        integer_or_off(1_000_000),
        "20000",
        "Maximum client connections per worker; further ones are answered with 503. An idle connection uses "
        "2 KB.",
    )
    max_client_connections: int = option(
        integer_or_off(1_000_000),
        "off",
        "Maximum connections from one IPv4 address or IPv6 /64. Off by default, because many users can "
        "share an address.",
    )
    max_client_rate: int = option(
        integer_or_off(1_000_000),
        "off",
        "Maximum requests per second from one IPv4 address or IPv6 /64, per worker; further requests are "
        "answered with 429.",
    )
    max_requests: int = option(
        integer_or_off(1_000_000_000),
        "off",
        "Maximum requests on one client connection; the response to the last carries `Connection: close`.",
    )


@dataclass(frozen=True, kw_only=True)
class Http2(Group):
    """HTTP/2 between clients and pylb."""

    title: ClassVar = "HTTP/2"

    http2: bool = option(
        FLAG,
        "on",
        "Accept HTTP/2: on --listen-tls if the client offers it (ALPN), on --listen if it begins with its "
        "preface.",
    )
    # RFC 9113 section 6.5.2 recommends at least 100; nginx: 128.
    http2_max_streams: int = option(
        integer(1, 10_000),
        "128",
        "Maximum requests in progress on one connection; further ones are refused, and clients send them "
        "again.",
    )
    http2_window: int = option(
        SIZE,
        "64KiB",
        "Bytes of a request body that a client may send before pylb has passed any of them on. The window "
        "grows to 1 MiB for a body that moves.",
    )
    http2_idle_timeout: float = option(
        DURATION,
        "300s",
        "Close a connection without a request after this time. A short one makes gRPC clients reconnect.",
    )

    def check(self) -> None:
        """Reject a window that the protocol does not have."""
        super().check()
        if not 0 < self.http2_window < 2**31:
            raise UsageError(f"--http2-window: got {self.http2_window}, expected 1 to 2147483647 bytes")
