"""What requests can be sent to: a host name or an IP address, and a port."""

from __future__ import annotations

import re
from ipaddress import IPv6Address

_NAME_OR_IPV4 = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,251}[A-Za-z0-9_.])?")


def check_host(host: str) -> str:
    """Return `host` if it is a name, an IPv4 address or an IPv6 address without brackets.

    Raises:
        ValueError: it is none of these; the message says what was expected and given.
    """
    if ":" in host:
        try:
            IPv6Address(host)
        except ValueError:
            raise ValueError(f"expected a host name or an IP address, got {host!r}") from None
    elif not _NAME_OR_IPV4.fullmatch(host):
        raise ValueError(f"expected a host name or an IP address, got {host!r}")
    return host


def check_port(port: int) -> int:
    """Return `port` if something can listen on it.

    Raises:
        ValueError: it is not from 1 to 65535.
    """
    if not 1 <= port <= 65535:
        raise ValueError(f"expected a port from 1 to 65535, got {port}")
    return port
