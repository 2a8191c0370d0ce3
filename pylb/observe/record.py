"""The record of a request, with one entry per attempt: the source of access log, metrics and traces."""

from __future__ import annotations

from typing import Any

from pylb.errors import NORMAL, ProxyError
from pylb.http1.parser import Request
from pylb.policy.lease import Lease as Attempt
from pylb.routes.fit import Fit


class Record:
    """The facts of one request. They are filled in during the request, and observers receive them at its end.

    Class attributes hold the defaults of rare facts, so that a record stores only those that occur.
    `__init__` sets the facts that are read for every request (see `http1.parser.Request`).
    """

    finished = 0.0
    protocol = ""
    """The version of the request's protocol, if it is not HTTP/1."""
    request: Request | None = None
    """The head, once it is parsed."""
    service = ""
    grpc_code: int | None = None
    """The code with which pylb has ended a call of gRPC; None if its backend did."""
    fit: Fit[Any] | None = None
    """The route and the path, unless the only route takes everything."""
    status = 0
    """The status of the response; 499 if the client closed the connection before it."""
    sending = False
    """Whether the head of a response was sent to the client: no other response is possible then."""
    sent = 0
    """Bytes of the response's body."""
    detail = ""

    def __init__(self, client: str, started: float) -> None:
        self.client = client
        """The address of the client, as used by access control."""
        self.started = started
        """The time at which the head was complete, in monotonic seconds."""
        self.attempts: list[Attempt] = []
        self.id = b""
        """X-Request-ID."""
        self.received = 0
        """Bytes of the request's body."""
        self.termination = NORMAL
        """HAProxy's termination code: the cause and the phase of the end."""

    def ended(self, error: ProxyError) -> None:
        """Record the error. A status that was already sent to the client is kept."""
        self.termination = error.code
        self.detail = error.detail
        if not self.status:
            self.status = error.status
