"""The two addresses of a client's connection.

They are those of the transport, unless a PROXY protocol preamble states others.
"""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from pylb.http1.address import of_peer


class ConnectionAddresses(NamedTuple):
    """Both ends of a client's connection, addresses in their canonical spelling (`http1.address`).

    On a Unix socket the addresses are empty, and the ports are 0.
    """

    client: str
    client_port: int
    server: str
    """The address that the client connected to."""
    server_port: int


def addresses_of(transport: asyncio.BaseTransport) -> ConnectionAddresses:
    """Return the addresses of a transport."""
    there = transport.get_extra_info("peername")
    if not there:
        return ConnectionAddresses("", 0, "", 0)
    here = transport.get_extra_info("sockname")
    return ConnectionAddresses(of_peer(there[0]), there[1], of_peer(here[0]), here[1])
