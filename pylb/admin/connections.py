"""The admin port's connections: time-outs and a bound, so that no client can keep others from the port.

aiohttp's server has neither: a client that never ends its head, or never reads its answer, keeps a descriptor
for as long as it likes, and descriptors are what discovery needs to reach the registry.
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
"""Seconds between two looks at the deadlines."""

FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\nServer: pylb\r\nContent-Length: 0\r\nConnection: close\r\n"
    b"%b\r\n" % b"".join(f"{name}: {value}\r\n".encode() for name, value in HEADERS.items())
)
"""The answer to a connection that is one too many."""


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """How many connections there may be, and how long each may take for what, in seconds."""

    connections: int = 256
    head: float = 10.0
    """From the first byte of a request, or from the connection's begin, to the end of its head."""
    request: float = 60.0
    """From the end of the head to the end of the response; for events from one to the next."""
    keepalive: float = 75.0
    """Between two requests."""

    @property
    def streams(self) -> int:
        """How many of the connections may be streams of events, which last."""
        return max(1, self.connections // 2)


class Connections:
    """All connections of the admin port; makes the protocol of each.

    Args:
        server: what handles the requests.
        limits: how many there may be, and for how long.
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
        """Take up a connection; false if it is one too many.

        Where all places are taken the connection makes room that has been without a request for longest.
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
        """Forget a connection that has ended."""
        self._open.discard(connection)

    def _expire(self) -> None:
        """Cut off the connections whose time is over; again as long as there are any."""
        self._timer = asyncio.get_running_loop().call_later(PERIOD, self._expire) if self._open else None
        now = monotonic()
        for connection in [each for each in self._open if each.since + each.timeout < now]:
            connection.abort()


class Connection(web.RequestHandler):
    """One connection: aiohttp's protocol, and for how long it may stay in which phase."""

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
        """Begin a phase, which may last for so many seconds."""
        self.busy = busy
        self.since = monotonic()
        self.timeout = timeout

    def restart_timeout(self) -> None:
        """A request's head is there, or a part of its response has been written."""
        self._enter(self._all.limits.request, busy=True)

    def abort(self) -> None:
        """Cut the connection off."""
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
            return  # It was one too many.
        if not self.busy and self.timeout != self._all.limits.head:
            self._enter(self._all.limits.head)
        super().data_received(data)

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Write the response; then the connection waits for the next request."""
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
        """The answer to what is no request, or to a request whose handler has failed."""
        if status >= 500:
            response = super().handle_error(request, status, exc, message)
        else:
            log.debug("%s sent what is no request: %r", request.remote, exc)
            response = web.json_response({"error": "this is not an HTTP request"}, status=status)
            response.force_close()
        response.headers.update(HEADERS)
        return response


@web.middleware
async def limit_time(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Bound the time that a request may take from here on."""
    restart_timeout(request)
    return await handler(request)


def restart_timeout(request: web.Request) -> None:
    """Give a request as much time again: another part of a response that lasts has been written."""
    connection = request.protocol
    if isinstance(connection, Connection):
        connection.restart_timeout()
