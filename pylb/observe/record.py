"""One record per request, one entry per attempt. Access log, metrics and traces are all fed from it."""

from __future__ import annotations

from dataclasses import dataclass

from pylb.errors import NORMAL, ProxyError
from pylb.policy.backend import Backend


@dataclass(slots=True)
class Attempt:
    """One try at one backend. Times are seconds since the try began; -1 is "not reached"."""

    backend: Backend
    started: float
    reused: bool = False
    """Whether an idle connection was taken."""
    connect: float = -1.0
    head: float = -1.0
    """Until the response's head was there."""
    status: int = 0
    error: ProxyError | None = None


class Record:
    """What happened to one request, filled in as it goes, observed once at its end."""

    __slots__ = (
        "attempts",
        "client",
        "detail",
        "duration",
        "host",
        "id",
        "method",
        "received",
        "referer",
        "sent",
        "service",
        "started",
        "status",
        "target",
        "termination",
        "user_agent",
        "version",
    )

    def __init__(self, client: str, started: float) -> None:
        self.client = client
        """The client's address, as access control sees it."""
        self.started = started
        """Monotonic seconds at which the head was complete."""
        self.duration = 0.0
        self.method = b""
        self.target = b""
        self.version = 1
        """The minor version of HTTP/1."""
        self.host = b""
        self.id = b""
        """X-Request-ID."""
        self.referer = b""
        self.user_agent = b""
        self.service = ""
        self.status = 0
        """What the client was answered; 499 if it left before."""
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
