"""The choice of the protocol of a TLS connection, by the extension ALPN (RFC 7301)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import cast


class Negotiation(asyncio.Protocol):
    """Waits for the end of the handshake, and hands the connection over to the negotiated protocol.

    Args:
        protocols: makes a protocol, by its name in ALPN.
        other: makes the protocol of a client that did not negotiate, or not one of these.
    """

    def __init__(
        self, protocols: Mapping[str, Callable[[], asyncio.Protocol]], other: Callable[[], asyncio.Protocol]
    ) -> None:
        self._protocols = protocols
        self._other = other

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        chosen = transport.get_extra_info("ssl_object").selected_alpn_protocol()
        protocol = self._protocols.get(chosen, self._other)()
        cast(asyncio.Transport, transport).set_protocol(protocol)
        protocol.connection_made(transport)
