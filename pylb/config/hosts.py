"""Validates the host names, IP addresses and ports that requests can be sent to."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address

_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_NAME = re.compile(rf"(?=.{{1,253}}\.?\Z){_LABEL}(?:\.{_LABEL})*\.?")
"""RFC 1123 section 2.1: labels of 1 to 63 characters, 253 in all. Underscores and a final dot are valid."""
_ENDS_IN_NUMBER = re.compile(r"(?:.*\.)?[0-9]+\.?")
"""A name with a numeric last label is an IPv4 address or invalid: no top-level domain is numeric (RFC 3696
section 2)."""
_ZONE = re.compile(r"[A-Za-z0-9_.-]{1,15}")
"""The name or number of a Linux network interface (RFC 4007 section 11)."""


def check_host(host: str) -> str:
    """Return `host` if it is a name, an IPv4 address or an IPv6 address without brackets.

    Raises:
        ValueError: it is none of these; the message contains the expected form and the value.
    """
    if not _is_host(host):
        raise ValueError(f"expected a host name or an IP address, got {host[:MAX_QUOTED]!r}")
    return host


MAX_QUOTED = 300
"""Characters of an invalid host that an error quotes; no valid host is longer."""


def check_port(port: int) -> int:
    """Return `port` if it is valid.

    Raises:
        ValueError: it is not from 1 to 65535.
    """
    if not 1 <= port <= 65535:
        raise ValueError(f"expected a port from 1 to 65535, got {port}")
    return port


def _is_host(host: str) -> bool:
    try:
        if ":" in host:
            address, percent, zone = host.partition("%")
            IPv6Address(address)
            return not percent or _ZONE.fullmatch(zone) is not None
        if _ENDS_IN_NUMBER.fullmatch(host):
            IPv4Address(host)
            return True
    except ValueError:
        return False
    return _NAME.fullmatch(host) is not None
