"""IP addresses in one spelling, for the log, for limits and for backends.

An address enters at three places: the peer of a socket, a PROXY protocol preamble, and what a trusted proxy
writes into X-Forwarded-For or Forwarded. Each of them reads it here; everything behind compares equal text.
"""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import IPv6Address, ip_address

LONGEST = 64
"""Characters beyond which a text is no address; the longest with brackets and a port has 53."""

_WITH_PORT = re.compile(r'"?(?:\[([^\[\]"]+)\]|([0-9.]+))(?::[0-9]{1,5})?"?')
"""`192.0.2.7:51008`, `[2001:db8::7]:51008`, and both without a port or in quotes (RFC 7239 §6)."""


def canonical(text: str) -> str:
    """The canonical spelling of an address: IPv4-mapped as IPv4, IPv6 as in RFC 5952, without a zone.

    A zone means nothing on another host, and an IPv4 address is one however a socket shows it.

    Raises:
        ValueError: the text is no address.
    """
    ip = ip_address(text)
    if isinstance(ip, IPv6Address):
        ip = ip.ipv4_mapped or IPv6Address(int(ip))
    return str(ip)


def of_peer(name: str) -> str:
    """The address of a socket's peer as the socket names it; empty for a Unix socket."""
    return canonical(name) if ":" in name else name


def of_node(text: str) -> str:
    """The address of a node as proxies write it, perhaps with a port; empty for `unknown`, `_id` and such."""
    return _of_node(text) if len(text) <= LONGEST else ""


@lru_cache(maxsize=4096)
def _of_node(text: str) -> str:
    match = _WITH_PORT.fullmatch(text)
    try:
        return canonical(text if match is None else match[1] or match[2])
    except ValueError:
        return ""
