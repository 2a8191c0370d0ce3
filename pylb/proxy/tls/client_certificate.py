"""Fields for backends with the facts of a client certificate: X-Client-Cert-*.

OpenSSL verifies the certificate and is its only parser: a second parser could read the same bytes
differently.
"""

from __future__ import annotations

import logging
import re
import ssl
from collections.abc import Callable, Collection, Mapping
from hashlib import sha256
from typing import Any
from urllib.parse import quote

log = logging.getLogger("pylb.tls")

Name = tuple[tuple[tuple[str, str], ...], ...]
"""A distinguished name in the form of `ssl`: relative names, each of them pairs of type and value."""

_TYPES = {
    "commonName": "CN",
    "localityName": "L",
    "stateOrProvinceName": "ST",
    "organizationName": "O",
    "organizationalUnitName": "OU",
    "countryName": "C",
    "streetAddress": "STREET",
    "domainComponent": "DC",
    "userId": "UID",
}
"""The short names of RFC 4514 section 3, by OpenSSL's long names. Other types keep theirs, or a number."""

_SPECIAL = re.compile(r'[\\"+,;<>]|^[ #]| $|[^ -~]')
"""Characters that are escaped in a value: those that RFC 4514 section 2.4 requires, and, as it allows,
control characters, which would end the field, and characters beyond ASCII, which frameworks read as Latin-1
(OpenSSL, nginx and Envoy escape them too)."""


def distinguished_name(name: Name) -> str:
    """Return a name in the format of RFC 4514, the last relative name first. Each name has one spelling."""
    return ",".join("+".join(map(_attribute, reversed(relative))) for relative in reversed(name))


def _attribute(pair: tuple[str, str]) -> str:
    type_, value = pair
    return f"{_TYPES.get(type_, type_)}={_SPECIAL.sub(_escaped, value)}"


def _escaped(match: re.Match[str]) -> str:
    character = match[0]
    if " " <= character <= "~":
        return "\\" + character
    return "".join(f"\\{octet:02X}" for octet in character.encode())


_READ: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "subject": lambda certificate: distinguished_name(certificate["subject"]),
    "issuer": lambda certificate: distinguished_name(certificate["issuer"]),
    "serial": lambda certificate: str(certificate["serialNumber"]),
}
"""Fields from a parsed certificate."""

_ENCODED: Mapping[str, Callable[[bytes], str]] = {
    "fingerprint": lambda der: sha256(der).hexdigest(),
    "pem": lambda der: quote(ssl.DER_cert_to_PEM_cert(der), safe=""),
}
"""Fields from the bytes of any certificate; the PEM as in nginx's `$ssl_client_escaped_cert`."""

FIELDS = (*_READ, *_ENCODED)
"""Names of all fields: X-Client-Cert-Subject and so on."""


def field_lines(connection: ssl.SSLObject, chosen: Collection[str]) -> bytes:
    """Return field lines for backends about a verified client certificate; empty if there is none.

    Args:
        connection: a TLS connection after its handshake.
        chosen: names of the fields, of `FIELDS`.
    """
    der = connection.getpeercert(binary_form=True)
    if not der:
        return b""
    fields = {name: write(der) for name, write in _ENCODED.items() if name in chosen}
    try:
        certificate: Mapping[str, Any] = connection.getpeercert() or {}
        fields |= {name: write(certificate) for name, write in _READ.items() if name in chosen}
    except (ssl.SSLError, ValueError) as error:  # An alternative name in Latin-1, for example.
        log.info("a client's certificate cannot be read, backends receive no names: %s", error)
    return b"".join(
        f"X-Client-Cert-{name.capitalize()}: {value}\r\n".encode() for name, value in fields.items()
    )
