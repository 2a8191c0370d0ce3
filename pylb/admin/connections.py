"""The connections of the admin port: timeouts and a maximum number, so that no client can block the port.

aiohttp's server has neither: a client that never ends its head, or never reads its response, holds a
descriptor without limit, and discovery needs descriptors to reach the registry.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from time import monotonic
from typing import cast

from aiohttp import web
from aiohttp.typedefs import Handler

from pylb.admin.access import HEADERS

log = logging.getLogger("pylb.admin")

PERIOD = 1.0
"""Seconds between two checks of the deadlines."""

FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\nServer: pylb\r\nContent-Length: 0\r\nConnection: close\r\n"
    b"%b\r\n" % b"".join(f"{name}: {value}\r\n".encode() for name, value in HEADERS.items())
)
"""The response to a connection above the limit."""


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """The maximum number of connections, and the timeouts of each in seconds."""

    connections: int = 256
    head: float = 10.0
    """From the start of the connection, or the first byte of a request, to the end of the head."""
    request: float = 60.0
    """From the end of the head to the end of the response; in an event stream, between two events."""
    keepalive: float = 75.0
    """Between two requests."""

    @property
    def streams(self) -> int:
        """The maximum number of event streams."""
        return max(1, self.connections // 2)


class Connections:
    """All connections of the admin port; a factory of their protocols.

    Args:
        server: handles the requests.
        limits: the number of connections and their timeouts.
    """

    def __init__(self, server: web.Server, limits: ConnectionLimits) -> None:
        self.limits = limits
        self._server = server
        self._open: set[Connection] = set()
        self._timer: asyncio.TimerHandle | None = None

    def __call__(self) -> Connection:
        """The protocol of a new connection."""
        return Connection(self, self._server)

    def enter(self, connection: Connection) -> bool:
        """Add a connection. Returns False if the limit is reached and all connections have requests.

        At the limit, the connection that has been idle for longest is closed first.
        """
        if len(self._open) >= self.limits.connections:
            waiting = [each for each in self._open if not each.busy]
            if not waiting:
                return False
            min(waiting, key=lambda each: each.since).abort()
        self._open.add(connection)
        if self._timer is None:
            self._expire()
        return True

    def leave(self, connection: Connection) -> None:
        """Remove a closed connection."""
        self._open.discard(connection)

    def _expire(self) -> None:
        """Abort the connections whose deadline has passed; reschedule while there are connections."""
        self._timer = asyncio.get_running_loop().call_later(PERIOD, self._expire) if self._open else None
        now = monotonic()
        for connection in [each for each in self._open if each.since + each.timeout < now]:
            connection.abort()


class Connection(web.RequestHandler):
    """One connection: aiohttp's protocol with a deadline for each phase."""

    __slots__ = ("_all", "_transport", "busy", "since", "timeout")

    def __init__(self, connections: Connections, server: web.Server) -> None:
        limits = connections.limits
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            access_log=None,  # type: ignore[arg-type]
            keepalive_timeout=limits.keepalive,
        )
        self._all = connections
        self._transport: asyncio.Transport | None = None
        self.busy = False
        """Whether a request is being handled."""
        self._enter(limits.head)

    def _enter(self, timeout: float, *, busy: bool = False) -> None:
        """Begin a phase of at most `timeout` seconds."""
        self.busy = busy
        self.since = monotonic()
        self.timeout = timeout

    def restart_timeout(self) -> None:
        """Restart the deadline: the head has arrived, or a part of the response was written."""
        self._enter(self._all.limits.request, busy=True)

    def abort(self) -> None:
        """Abort the connection."""
        self._all.leave(self)
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        self._transport = cast(asyncio.Transport, transport)
        if self._all.enter(self):
            super().connection_made(transport)
        else:
            self._transport.write(FULL)
            self._transport.close()

    def connection_lost(self, exc: BaseException | None) -> None:
        """See `asyncio.Protocol`."""
        self._all.leave(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        if self.transport is None:
            return  # The connection was refused.
        if not self.busy and self.timeout != self._all.limits.head:
            self._enter(self._all.limits.head)
        super().data_received(data)

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Write the response, then wait for the next request."""
        written = await super().finish_response(request, resp, start_time)
        self._enter(self._all.limits.keepalive)
        return written

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """The response to an invalid request, or to a request whose handler failed."""
        if status >= 500:
            response = super().handle_error(request, status, exc, message)
        else:
            log.debug("%s sent an invalid request: %r", request.remote, exc)
            response = web.json_response({"error": "invalid HTTP request"}, status=status)
            response.force_close()
        response.headers.update(HEADERS)
        return response


@web.middleware
async def limit_time(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Start the deadline of a request."""
    restart_timeout(request)
    return await handler(request)


def restart_timeout(request: web.Request) -> None:
    """Restart the deadline of a request whose response is still being written."""
    connection = request.protocol
    if isinstance(connection, Connection):
        connection.restart_timeout()
