"""TLS for backends: which backends use it, under which name, and which CA verifies them."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from functools import cached_property, lru_cache

from pylb.config.backends import BackendConnections
from pylb.errors import StartError
from pylb.model import Endpoint

NAME_CACHE_SIZE = 4096
"""Cached names that were found valid."""


class UpstreamTls:
    """The TLS settings for connections to backends.

    Args:
        options: which backends use TLS, how they are verified, and pylb's client certificate.
    """

    def __init__(self, options: BackendConnections) -> None:
        self._options = options
        self._contexts: dict[Sequence[str], ssl.SSLContext] = {}
        """By offered protocols."""
        self._cached_check = lru_cache(maxsize=NAME_CACHE_SIZE)(self._check_name)

    def check_files(self) -> None:
        """Check that the files can be used, before a connection needs them.

        Raises:
            StartError: one cannot.
        """
        options = self._options
        if options.upstream_tls or options.upstream_tls_ca or options.upstream_tls_cert:
            _ = self.context

    @cached_property
    def context(self) -> ssl.SSLContext:
        """The TLS context of all connections with HTTP/1.1.

        Raises:
            StartError: a file cannot be used.
        """
        return self._make_context(["http/1.1"])

    def offering(self, *protocols: str) -> ssl.SSLContext:
        """Return the TLS context of connections that offer these protocols in this order (ALPN)."""
        if protocols not in self._contexts:
            self._contexts[protocols] = self._make_context(protocols)
        return self._contexts[protocols]

    def _make_context(self, protocols: Sequence[str]) -> ssl.SSLContext:
        options = self._options
        try:
            context = ssl.create_default_context(cafile=options.upstream_tls_ca)
            if options.upstream_tls_cert:
                context.load_cert_chain(options.upstream_tls_cert, options.upstream_tls_key)
        except OSError as error:
            raise StartError(f"--upstream-tls: {error.strerror or error}") from None
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(list(protocols))
        if not options.upstream_tls_verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context

    def check_name(self, name: str) -> None:
        """Check that a TLS connection can have this name, before there is one. Valid names are cached.

        Raises:
            ValueError: neither a certificate nor a ClientHello can carry it. UnicodeError is a ValueError.
        """
        try:
            self._cached_check(name)
        except (ValueError, TypeError, ssl.SSLError) as error:
            raise ValueError(f"TLS name {name!r}: {error}") from None

    def valid(self, name: str) -> str:
        """Return the name of a backend; see `check_name`."""
        self.check_name(name)
        return name

    def of(self, endpoint: Endpoint) -> tuple[ssl.SSLContext, str] | None:
        """Return the TLS context and the name for a backend; None for a backend without TLS."""
        name = self.name_of(endpoint)
        return (self.context, name) if name else None

    def of_h2(self, endpoint: Endpoint) -> tuple[ssl.SSLContext, str] | None:
        """Return the same, with a context that offers HTTP/2 only."""
        name = self.name_of(endpoint)
        return (self.offering("h2"), name) if name else None

    def _check_name(self, name: str) -> None:
        self.context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname=name)

    def name_of(self, endpoint: Endpoint) -> str:
        """Return the name that a backend's certificate must carry; empty without TLS."""
        options = self._options
        tls = options.upstream_tls if endpoint.tls is None else endpoint.tls
        return (endpoint.tls_name or options.upstream_tls_name or endpoint.address) if tls else ""
