"""The two addresses of a client's connection.

The caller takes them from the transport or from a PROXY protocol preamble; this file reads neither.
"""

from __future__ import annotations

from typing import NamedTuple


class ConnectionAddresses(NamedTuple):
    """Both ends of a client's connection, addresses in their canonical spelling (`http1.address`).

    On a Unix socket the addresses are empty, and the ports are 0.
    """

    client: str
    client_port: int
    server: str
    """The address that the client connected to."""
    server_port: int
