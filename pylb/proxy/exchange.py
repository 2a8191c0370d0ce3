"""The interface of one request and its response, for the code between client and backend.

`forward`, `connect`, `tunnel` and the other handlers work on an `Exchange` and never on the class of a client
connection. With HTTP/1 the connection itself is the exchange, because it serves one request at a time: there
is no object and no call in between. The module defines no behaviour.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from pylb.errors import ProxyError
from pylb.http1.headers import ClientInfo
from pylb.http1.parser import Request, Response
from pylb.observe.record import Record
from pylb.proxy.addresses import ConnectionAddresses
from pylb.proxy.context import Context
from pylb.proxy.service import Service
from pylb.proxy.transfer import BodyPump, ByteStream
from pylb.proxy.upstream.binding import Bindings
from pylb.proxy.upstream.upstream import Upstream
from pylb.proxy.waiter import Waiter

ExtraFields = Callable[[Response | None], bytes]
"""Returns field lines to add to a response, given the backend's response; None for a response of pylb."""


class Exchange(Waiter, ByteStream, Protocol):
    """A request that is being served: its client, the stream of its body, and the stream of its response."""

    context: Context
    """What all requests of the worker share."""
    client_info: ClientInfo
    """The facts about the client."""
    service: Service
    """What the request uses; set at ROUTE, and read by what follows it."""
    bound: Bindings | None
    """Backend connections that only this client may use; None if there are none."""
    extra_fields: ExtraFields | None
    """Returns field lines to add to each response; None adds none."""
    close_after_response: bool
    """Whether this response is the last of the connection."""
    keep: bool
    """Whether another request may follow the response that is being sent."""
    cut_off: bool
    """Whether a shutdown has ended the connection."""

    def addresses(self) -> ConnectionAddresses:
        """Return the addresses of the client and of the listener that it connected to."""

    def body(self, request: Request) -> tuple[bytes, BodyPump | None]:
        """Return the request's body, if it is small and has arrived; else a pump for it.

        Raises:
            ProxyError: 413, the body is too large.
        """

    def after_delay(self, request: Request, now: float) -> Request:
        """Return the request for an attempt that begins late: one in which remaining times are up to date.

        Args:
            request: the request as it was received.
            now: monotonic seconds.

        Raises:
            ProxyError: 504, the time of the client has passed.
        """

    def interim(self, request: Request, response: Response) -> None:
        """Send an interim response (1xx), if the client understands it."""

    def switch(self, response: Response) -> bytes:
        """Return the head that announces a tunnel, given the backend's 101; empty if it was sent already."""

    def respond(
        self,
        upstream: Upstream,
        record: Record,
        request: Request,
        response: Response,
        *,
        upload: BodyPump | None,
    ) -> BodyPump | None:
        """Send the response, framed for the client.

        Args:
            upstream: delivers the response. This method decides whether it can be reused.
            record: receives status and size.
            request: the request.
            response: its final response.
            upload: the request's body, if it was not sent together with the head.

        Returns:
            A pump for the rest of the body; None if the whole response has been sent.
        """

    def answer(self, record: Record, request: Request, status: int, fields: bytes, text: bytes = b"") -> bool:
        """Send a response of pylb; return whether another request may follow.

        Args:
            record: receives the status.
            request: the request.
            status: the status code.
            fields: field lines, each with its CRLF.
            text: the body; empty for none.
        """

    def makes_progress(self, quota: float) -> bool:
        """Return True, and restart the timeout, if an expired client has read so many bytes meanwhile."""

    def refuse(self, record: Record, error: ProxyError) -> None:
        """Answer with the error's status; reset the connection if a response has begun."""

    def discard(self) -> None:
        """Send no more, and discard what the client still sends."""


Handler = Callable[[Exchange, Request, Record], Awaitable[bool]]
"""Serves one request, given its exchange, its parsed head, and the record that receives the facts about it.

It returns whether another request may follow on the exchange. A `ProxyError` that it raises is the refusal of
the request; any other exception is a defect, which is answered 500 (`proxy/failure.py`). The exchange begins
the record and reports it exactly once, whatever the handler does."""
