"""Builds the TLS contexts of listeners from options."""

from __future__ import annotations

from pylb.config import Options
from pylb.config.clients import Tls
from pylb.proxy.tls.certificates import Certificates


def read_certificates(options: Options, ticket_keys: bytes = b"") -> Certificates | None:
    """The certificates of the TLS listeners; None if there are no TLS listeners.

    Args:
        options: the options of pylb.
        ticket_keys: the keys of session tickets, shared by all workers; empty for a single process.

    Raises:
        StartError: a certificate cannot be used.
    """
    return Certificates(Tls.of(options), ticket_keys, http2=options.http2) if options.listen_tls else None
