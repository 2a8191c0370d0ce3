"""IP addresses in canonical form, for the log, for limits and for backends.

An address comes from one of three places: the peer of a socket, a PROXY protocol preamble, or the
X-Forwarded-For or Forwarded field of a trusted proxy. All three are converted here, so that the rest of the
program can compare addresses as text.
"""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import IPv6Address, ip_address

LONGEST = 64
"""A longer text is rejected without parsing. The longest address, with brackets and a port, has 53
characters."""

_WITH_PORT = re.compile(r'"?(?:\[([^\[\]"]+)\]|([0-9.]+))(?::[0-9]{1,5})?"?')
"""`192.0.2.7:51008`, `[2001:db8::7]:51008`, and both without a port or in quotes (RFC 7239 §6)."""


def canonical(text: str) -> str:
    """Return the canonical form of an address: IPv4-mapped as IPv4, IPv6 as in RFC 5952, without a zone.

    A zone has no meaning on another host. A dual-stack socket reports an IPv4 peer as an IPv4-mapped address.

    Raises:
        ValueError: the text is not an address.
    """
    ip = ip_address(text)
    if isinstance(ip, IPv6Address):
        ip = ip.ipv4_mapped or IPv6Address(int(ip))
    return str(ip)


def of_peer(name: str) -> str:
    """Return the canonical address of a socket's peer; empty for a Unix socket."""
    return canonical(name) if ":" in name else name


def of_node(text: str) -> str:
    """Return the address in a node identifier of a forwarding field, which may have a port.

    Empty for identifiers that are not addresses, such as `unknown` and `_id` (RFC 7239 §6).
    """
    return _of_node(text) if len(text) <= LONGEST else ""


@lru_cache(maxsize=4096)
def _of_node(text: str) -> str:
    match = _WITH_PORT.fullmatch(text)
    try:
        return canonical(text if match is None else match[1] or match[2])
    except ValueError:
        return ""
