"""TLS for clients: certificates by name, reloaded when their files change.

The context of the listeners never changes, so session tickets stay valid; each handshake selects the
certificate.
"""

from __future__ import annotations

import _ssl
import logging
import os
import ssl
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from pylb.config.clients import Tls
from pylb.errors import StartError
from pylb.proxy.tls import client_certificate, session_tickets

log = logging.getLogger("pylb.tls")

CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""For TLS 1.2: forward secrecy and authenticated encryption only (Mozilla's "intermediate" without DHE)."""

Pair = tuple[str, str]
"""The paths of a certificate chain and of its key, both PEM."""


class Certificates:
    """The certificates that pylb presents to clients.

    Args:
        options: the files, and what is required of clients. The first certificate is the default for names
            without a certificate. The directory contains more: `NAME.crt` or `NAME.pem` with `NAME.key`, or a
            folder with `fullchain.pem` and `privkey.pem`, as certbot makes them.
        http2: whether clients may choose HTTP/2.
        ticket_keys: keys that seal tickets, if other processes must open them; see `session_tickets.share`.

    Raises:
        StartError: a file cannot be used, or there is none.
    """

    def __init__(self, options: Tls, ticket_keys: bytes = b"", *, http2: bool = True) -> None:
        self._protocols = ["h2", "http/1.1"] if http2 else ["http/1.1"]
        self._directory = options.tls_dir
        self._client_ca = options.tls_client_ca
        self._client_required = options.tls_client_required
        self._client_fields = options.tls_client_fields
        self._pairs = tuple(zip(options.tls_cert, options.tls_key, strict=True))
        self._seen: object = None
        self._doubtful: object = None
        """The files that were unusable at the last check and are not logged yet."""
        self._contexts: Mapping[str, ssl.SSLContext] = {}
        self._session_context = b""
        """A digest of the CA bundle under which new sessions begin."""
        try:
            self.context = self._context()
            self.context.sni_callback = self._choose
            if ticket_keys and not session_tickets.share(self.context, ticket_keys):
                log.info("this Python does not let workers share session tickets; clients may start afresh")
            self._seen = self._state()
            self._contexts = self._load()
        except (OSError, ValueError) as error:
            raise StartError(f"TLS: {_shown(error)}") from None

    def refresh(self) -> None:
        """Load changed files; keep the current certificates if that fails.

        A directory that cannot be listed counts as a change. A change that cannot be used is logged once, if
        it is the same at the next call: until then, a certificate may have its new chain but not its new key.
        """
        state = self._state()
        if state == self._seen:
            return
        try:
            self._contexts = self._load()
        except (OSError, ValueError) as error:
            if state != self._doubtful:
                self._doubtful = state
                return
            log.error("certificates have changed but cannot be used, the former ones stay: %s", _shown(error))
        else:
            log.info("certificates for %s", ", ".join(filter(None, self._contexts)))
        self._seen = state

    def about_client(self, connection: ssl.SSLObject) -> bytes:
        """Field lines for backends about a client's certificate; see `client_certificate.field_lines`."""
        return client_certificate.field_lines(connection, self._client_fields) if self._client_ca else b""

    def _choose(self, connection: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
        """Select the certificate for the name that the client asks for (SNI)."""
        contexts = self._contexts
        wanted = (name or "").lower()
        connection.context = (
            contexts.get(wanted) or contexts.get(f"*.{wanted.partition('.')[2]}") or contexts[""]
        )

    def _load(self) -> Mapping[str, ssl.SSLContext]:
        """Return a context for each name; the empty name has the first one."""
        session_context = self._read_session_context()
        contexts: dict[str, ssl.SSLContext] = {}
        for chain, key in self._files():
            context = self._context()
            try:
                context.load_cert_chain(chain, key, password=_no_password)
            except OSError as error:
                raise ValueError(f"{chain} with {key}: {_shown(error)}") from None
            for name in ("", *names(chain)):
                contexts.setdefault(name, context)
        if not contexts:
            raise ValueError(f"{self._directory}: expected certificates and keys in it")
        self._separate_sessions(session_context, contexts)
        return contexts

    def _read_session_context(self) -> bytes:
        """Return a digest of the settings that decide which clients are accepted."""
        if not self._client_ca:
            return b""
        return sha256(b"%d" % self._client_required + Path(self._client_ca).read_bytes()).digest()

    def _separate_sessions(self, session_context: bytes, contexts: Mapping[str, ssl.SSLContext]) -> None:
        """Let clients resume only sessions that began with the current CA bundle.

        A client that resumes a session is not verified again.

        Raises:
            ValueError: the CA bundle has changed, and this Python cannot separate sessions.
        """
        if not session_context:
            return
        separate = [
            session_tickets.bind(context, session_context) for context in (self.context, *contexts.values())
        ]
        if not all(separate) and self._session_context and self._session_context != session_context:
            raise ValueError(f"{self._client_ca}: with this Python a change counts after a restart")
        self._session_context = session_context

    def _context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(CIPHERS)
        context.options |= ssl.OP_NO_RENEGOTIATION
        context.set_alpn_protocols(self._protocols)
        if self._client_ca:
            context.load_verify_locations(self._client_ca)
            context.verify_mode = ssl.CERT_REQUIRED if self._client_required else ssl.CERT_OPTIONAL
        return context

    def _files(self) -> Iterator[Pair]:
        yield from self._pairs
        if not self._directory:
            return
        for path in sorted(Path(self._directory).iterdir()):
            key = path.with_suffix(".key")
            if (path / "privkey.pem").exists():
                yield str(path / "fullchain.pem"), str(path / "privkey.pem")
            elif path.suffix in {".crt", ".pem"} and key.exists():
                yield str(path), str(key)

    def _state(self) -> object:
        """Return a value that changes with any file, which may appear, vanish or be a link."""
        try:
            paths = [path for pair in self._files() for path in pair]
        except OSError as error:
            return _shown(error)
        if self._client_ca:
            paths.append(self._client_ca)
        return [(path, _stamp(path)) for path in paths]


def names(chain: str) -> list[str]:
    """Return the host names of a certificate, in lower case.

    Args:
        chain: path of a PEM file. Only its first certificate counts.
    """
    # What `SSLSocket.getpeercert` uses; there is no public way to read a certificate that is not a peer's.
    certificate: dict[str, Any] = _ssl._test_decode_cert(chain)  # type: ignore[attr-defined]
    return [name.lower() for kind, name in certificate.get("subjectAltName", ()) if kind == "DNS"]


def _stamp(path: str) -> object:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size


def _no_password() -> str:
    """An encrypted key would make OpenSSL ask on the terminal."""
    raise ValueError("the key is encrypted, expected one without a password")


def _shown(error: Exception) -> str:
    reason = getattr(error, "strerror", None) or str(error)
    filename = getattr(error, "filename", None)
    return f"{filename}: {reason}" if filename else reason
