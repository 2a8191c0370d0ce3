"""The side of the clients: where they connect, who they are, how much they may send."""

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
    """Where clients and operators connect."""

    title: ClassVar = "Listen"

    listen: tuple[Address, ...] = repeated(ADDRESS, "0.0.0.0:8080", "Where to take requests.")
    admin: Address | None = option(
        or_off(ADDRESS),
        "127.0.0.1:8081",
        "Where to serve the dashboard, the API, /health, /ready and /metrics.",
    )
    admin_token: str | None = option(
        text("TOKEN", "a token"),
        None,
        "What whoever changes something by the API must show; without it changes are possible from this "
        "machine only, and only if --admin listens on a loopback address.",
        secret=True,
    )
    admin_token_file: str | None = option(
        FILE, None, "A file with that token, so that it does not stand in the list of processes."
    )
    ready_max_age: float | None = option(
        or_off(DURATION),
        "off",
        "How old what the registry said last may become before /ready answers 503; `off`: any age will do.",
    )


@dataclass(frozen=True, kw_only=True)
class Tls(Group):
    """TLS between clients and pylb."""

    title: ClassVar = "TLS"

    listen_tls: tuple[Address, ...] = repeated(
        ADDRESS, None, "Where to take requests by TLS, on ports of their own."
    )
    tls_cert: tuple[str, ...] = repeated(
        FILE,
        None,
        "A PEM certificate with its chain; the name that a client asks for decides; read again when changed.",
    )
    tls_key: tuple[str, ...] = repeated(FILE, None, "The PEM key of each --tls-cert, in the same order.")
    tls_dir: str | None = option(
        FILE,
        None,
        "A directory of certificates: NAME.crt and NAME.key, or certbot's folders; new ones count.",
    )
    tls_client_ca: str | None = option(
        FILE, None, "PEM certificates of who signs those of clients, which backends see as X-Client-Cert-*."
    )
    tls_client_required: bool = option(FLAG, "off", "Let nobody in who has no such certificate.")
    tls_client_fields: frozenset[str] = option(
        some_of("subject", "issuer", "serial", "fingerprint", "pem"),
        "subject,serial,fingerprint",
        "What backends see of a client's certificate: X-Client-Cert-Subject and so on; `pem` is URL-encoded.",
    )
    redirect_to_tls: int = option(
        integer_or_off(65_535), "off", "Answer what comes to --listen with a redirect to https on this port."
    )
    hsts: int = option(
        integer_or_off(10**9), "off", "Tell browsers to come by TLS only, for so many seconds (RFC 6797)."
    )

    def check(self) -> None:
        """Refuse keys without certificates, certificates without a listener, and the other way round."""
        super().check()
        if len(self.tls_cert) != len(self.tls_key):
            raise UsageError(f"--tls-key: got {len(self.tls_key)}, expected one for each --tls-cert")
        if self.listen_tls and not (self.tls_cert or self.tls_dir):
            raise UsageError("--listen-tls: expected --tls-cert or --tls-dir with it")
        if not self.listen_tls and (self.tls_cert or self.tls_dir):
            raise UsageError("--tls-cert and --tls-dir: expected --listen-tls with them")


@dataclass(frozen=True, kw_only=True)
class ClientAddress(Group):
    """Who is believed about where a client is, and how backends are told."""

    title: ClassVar = "Where the client is"

    trusted_proxies: tuple[str, ...] = repeated(
        NETWORK,
        None,
        "Load balancers in front of pylb, whose X-Forwarded or Forwarded fields are believed; others' are "
        "removed; `unix` means Unix sockets.",
    )
    proxy_protocol: bool = option(
        FLAG, "off", "Expect a PROXY protocol preamble, version 1 or 2, from the trusted proxies on --listen."
    )
    forwarded: bool = option(FLAG, "off", "Tell backends in a Forwarded field as well (RFC 7239).")
    via: str = option(
        VIA,
        "off",
        "Add a name to the Via field of requests (RFC 9110 section 7.6.3), `on` for pylb; an nginx behind it "
        "may stop compressing.",
    )

    explain_to: tuple[str, ...] = repeated(
        NETWORK,
        None,
        "Who is told why a request went where it did, if it carries an X-Pylb-Explain field; nobody else is.",
    )

    def check(self) -> None:
        """Refuse a preamble that nobody may send."""
        super().check()
        if self.proxy_protocol and not self.trusted_proxies:
            raise UsageError("--proxy-protocol: expected --trusted-proxies with it")


@dataclass(frozen=True, kw_only=True)
class Limits(Group):
    """How much a client may send before it is refused."""

    title: ClassVar = "Limits"

    max_head: int = option(
        SIZE,
        "32KiB",
        "The size of a request's first line and header fields together; more is answered with 431.",
    )
    max_target: int = option(
        SIZE, "8KiB", "The size of a request's target, its path and query; more is answered with 414."
    )
    max_headers: int = option(
        integer(1, 10_000),
        "100",
        "The number of a message's header fields; more is answered with 431, or 502 if it is an answer.",
    )
    max_body: int = option(
        SIZE_OR_OFF,
        "off",
        "The size of a request's body; more is answered with 413. Bodies are passed on, not kept.",
    )
    min_body_rate: int = option(
        SIZE_OR_OFF,
        "240",
        "Bytes per second of a body that a client must send or take, on the average over --body-timeout.",
    )
    max_connections: int = option(
        integer_or_off(1_000_000),
        "20000",
        "Client connections of one worker; one more is answered with 503. An idle one takes 2 KB.",
    )
    max_client_connections: int = option(
        integer_or_off(1_000_000),
        "off",
        "Connections from one IPv4 address or IPv6 /64; off, because many users can share an address.",
    )
    max_client_rate: int = option(
        integer_or_off(1_000_000),
        "off",
        "Requests per second from one IPv4 address or IPv6 /64, in each worker; more is answered with 429.",
    )
    max_requests: int = option(
        integer_or_off(1_000_000_000),
        "off",
        "Requests on one connection; the last is answered with `Connection: close`.",
    )
