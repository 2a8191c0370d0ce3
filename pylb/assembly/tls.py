"""Builds the TLS contexts of listeners and of connections to backends from options."""

from __future__ import annotations

from pylb.config import Options
from pylb.proxy.tls import Certificates
from pylb.proxy.upstreamtls import UpstreamTls


def read_certificates(options: Options, ticket_keys: bytes = b"") -> Certificates | None:
    """The certificates of the TLS listeners; None if there are no TLS listeners.

    Args:
        options: the options of pylb.
        ticket_keys: the keys of session tickets, shared by all workers; empty for a single process.

    Raises:
        StartError: a certificate cannot be used.
    """
    if not options.listen_tls:
        return None
    return Certificates(
        tuple(zip(options.tls_cert, options.tls_key, strict=True)),
        options.tls_dir,
        client_ca=options.tls_client_ca,
        client_required=options.tls_client_required,
        client_fields=options.tls_client_fields,
        ticket_keys=ticket_keys,
    )


def read_upstream_tls(options: Options) -> UpstreamTls:
    """The TLS settings of connections to backends.

    Raises:
        StartError: a file cannot be used.
    """
    cert, key = options.upstream_tls_cert, options.upstream_tls_key
    return UpstreamTls(
        everywhere=options.upstream_tls,
        ca=options.upstream_tls_ca,
        verify=options.upstream_tls_verify,
        name=options.upstream_tls_name or "",
        pair=(cert, key) if cert and key else None,
    )
