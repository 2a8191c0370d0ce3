"""One record per request, one entry per attempt. Access log, metrics and traces are all fed from it."""

from __future__ import annotations

from pylb.errors import NORMAL, ProxyError
from pylb.http1.parser import Request
from pylb.policy.lease import Lease as Attempt


class Record:
    """What happened to one request, filled in as it goes, observed once at its end."""

    __slots__ = (
        "attempts",
        "client",
        "detail",
        "finished",
        "id",
        "received",
        "request",
        "sending",
        "sent",
        "service",
        "started",
        "status",
        "termination",
    )

    def __init__(self, client: str, started: float) -> None:
        self.client = client
        """The client's address, as access control sees it."""
        self.started = started
        """When the head was complete, in monotonic seconds."""
        self.finished = 0.0
        self.request: Request | None = None
        """The head, once it was understood."""
        self.id = b""
        """X-Request-ID."""
        self.service = ""
        self.status = 0
        """What the client was answered; 499 if it left before."""
        self.sending = False
        """Whether the head of an answer has gone to the client: from then on there is no other answer."""
        self.received = 0
        """Bytes of the request's body."""
        self.sent = 0
        """Bytes of the response's body."""
        self.attempts: list[Attempt] = []
        self.termination = NORMAL
        """HAProxy's two letters: who ended it, and in which phase."""
        self.detail = ""

    def ended(self, error: ProxyError) -> None:
        """Remember how it failed; a status that already went to the client stays."""
        self.termination = error.code
        self.detail = error.detail
        if not self.status:
            self.status = error.status
