"""One record per request, one entry per attempt. Access log, metrics and traces are all fed from it."""

from __future__ import annotations

from pylb.errors import NORMAL, ProxyError
from pylb.http1.parser import Request
from pylb.policy.lease import Lease as Attempt


class Record:
    """What happened to one request, filled in as it goes, observed once at its end.

    What has not happened yet is said by the class, so that making a record stores only what has.
    """

    finished = 0.0
    request: Request | None = None
    """The head, once it was understood."""
    id = b""
    """X-Request-ID."""
    service = ""
    status = 0
    """What the client was answered; 499 if it left before."""
    sending = False
    """Whether the head of an answer has gone to the client: from then on there is no other answer."""
    received = 0
    """Bytes of the request's body."""
    sent = 0
    """Bytes of the response's body."""
    termination = NORMAL
    """HAProxy's two letters: who ended it, and in which phase."""
    detail = ""

    def __init__(self, client: str, started: float) -> None:
        self.client = client
        """The client's address, as access control sees it."""
        self.started = started
        """When the head was complete, in monotonic seconds."""
        self.attempts: list[Attempt] = []

    def ended(self, error: ProxyError) -> None:
        """Remember how it failed; a status that already went to the client stays."""
        self.termination = error.code
        self.detail = error.detail
        if not self.status:
            self.status = error.status
