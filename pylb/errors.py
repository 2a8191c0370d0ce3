"""One exception for everything that can go wrong with a request: when it happened, and whose fault it was.

The status sent to the client, the class of retry, the metric label and the two letters in the access log
are all derived from those two facts, so they cannot disagree. The letters are HAProxy's termination codes
(its configuration manual, section 8.5), so that operators need learn nothing new.
"""

from __future__ import annotations

from enum import Enum


class Phase(Enum):
    """What pylb was doing with the request: the second letter of the termination code."""

    REQUEST = "R"
    """Reading the request's head from the client."""
    QUEUE = "Q"
    """Choosing a backend, or waiting for one."""
    CONNECT = "C"
    """Opening a connection to the backend."""
    HEADERS = "H"
    """Sending the request and waiting for the response's head."""
    DATA = "D"
    """Moving the response's body to the client."""
    TUNNEL = "T"
    """Moving bytes both ways after an upgrade."""
    DONE = "-"
    """Nothing was left to do."""


class Fault(Enum):
    """Who ended it: the first letter of the termination code."""

    CLIENT = "C"
    UPSTREAM = "S"
    CLIENT_TIMEOUT = "c"
    UPSTREAM_TIMEOUT = "s"
    POLICY = "P"
    """pylb refused it: malformed, too large, not allowed."""
    RESOURCE = "R"
    """pylb had no room for it: connections, queue, descriptors."""
    INTERNAL = "I"
    """A defect in pylb."""
    DOWN = "D"
    """No backend was there to take it."""
    KILLED = "K"
    """An operator or a shutdown ended it."""


NORMAL = "--"
"""The termination code of a request that ended as it should."""

CUT_OFF = "a shutdown cut the connection off"

CLIENT_CLOSED = 499
"""nginx's number for "the client left"; it is logged, never sent."""

_STATUS: dict[tuple[Fault, Phase], int] = {
    (Fault.CLIENT_TIMEOUT, Phase.REQUEST): 408,
    (Fault.CLIENT_TIMEOUT, Phase.HEADERS): 408,
    (Fault.POLICY, Phase.REQUEST): 400,
    (Fault.UPSTREAM_TIMEOUT, Phase.QUEUE): 503,
    (Fault.UPSTREAM, Phase.CONNECT): 503,
    (Fault.UPSTREAM, Phase.HEADERS): 502,
    (Fault.UPSTREAM, Phase.DATA): 502,
}
_STATUS_BY_FAULT: dict[Fault, int] = {
    Fault.CLIENT: CLIENT_CLOSED,
    Fault.UPSTREAM: 502,
    Fault.CLIENT_TIMEOUT: CLIENT_CLOSED,
    Fault.UPSTREAM_TIMEOUT: 504,
    Fault.POLICY: 403,
    Fault.RESOURCE: 503,
    Fault.INTERNAL: 500,
    Fault.DOWN: 503,
    Fault.KILLED: 503,
}


class ProxyError(Exception):
    """A request that did not end as it should.

    Args:
        phase: what was being done with it.
        fault: who ended it.
        detail: one sentence for the operator; clients see it only where it describes their own bytes.
        status: the HTTP status to answer with, where it is more exact than what phase and fault imply.
    """

    def __init__(self, phase: Phase, fault: Fault, detail: str, *, status: int = 0) -> None:
        super().__init__(detail)
        self.phase = phase
        self.fault = fault
        self.detail = detail
        self.status = status or _STATUS.get((fault, phase)) or _STATUS_BY_FAULT[fault]

    @property
    def code(self) -> str:
        """HAProxy's termination code: `SC`, `sH`, `CD`, ..."""
        return self.fault.value + self.phase.value

    def __repr__(self) -> str:
        return f"<ProxyError {self.code} {self.status} {self.detail!r}>"


class InvalidResponseError(ProxyError):
    """A response that breaks HTTP's rules: the page is at fault, other pages of its backend may be well."""


class UsageError(Exception):
    """What the user typed cannot be used; the message is one line that names it and says what is expected."""


class StartError(Exception):
    """What was asked for is sound but cannot be done here, a port in use; the message is one line."""
