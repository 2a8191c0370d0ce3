"""The errors of pylb. `ProxyError` is the only exception for a failed request: its phase and its fault.

The status sent to the client, the decision to retry, the metric label and the two letters in the access log
all derive from phase and fault, so they cannot disagree. The letters are HAProxy's termination codes (its
configuration manual, section 8.5), which operators already know. This module imports nothing of pylb.
"""

from __future__ import annotations

from enum import Enum


class Phase(Enum):
    """The stage at which a request ended: the second letter of the termination code."""

    REQUEST = "R"
    """Reading the head of the request from the client."""
    QUEUE = "Q"
    """Selecting a backend, or waiting for one."""
    CONNECT = "C"
    """Opening a connection to the backend."""
    HEADERS = "H"
    """Sending the request and waiting for the head of the response."""
    DATA = "D"
    """Sending the body of the response to the client."""
    TUNNEL = "T"
    """Relaying bytes in both directions after an upgrade."""
    DONE = "-"
    """The request is complete."""


class Fault(Enum):
    """The cause of the end of a request: the first letter of the termination code."""

    CLIENT = "C"
    UPSTREAM = "S"
    CLIENT_TIMEOUT = "c"
    UPSTREAM_TIMEOUT = "s"
    POLICY = "P"
    """pylb rejected the request: malformed, too large or not allowed."""
    RESOURCE = "R"
    """pylb reached a limit: connections, queue or descriptors."""
    INTERNAL = "I"
    """A defect in pylb."""
    DOWN = "D"
    """No backend was available."""
    KILLED = "K"
    """An operator or a shutdown ended the request."""


NORMAL = "--"
"""The termination code of a request that completed normally."""

CUT_OFF = "a shutdown cut the connection off"

CLIENT_CLOSED = 499
"""nginx's status for "the client closed the connection"; it is logged and never sent."""

_STATUS: dict[tuple[Fault, Phase], int] = {
    (Fault.CLIENT_TIMEOUT, Phase.REQUEST): 408,
    (Fault.CLIENT_TIMEOUT, Phase.HEADERS): 408,
    (Fault.POLICY, Phase.REQUEST): 400,
    (Fault.POLICY, Phase.CONNECT): 502,
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
    """A request that did not complete normally.

    Args:
        phase: the stage at which it ended.
        fault: the cause.
        detail: one sentence for the operator; clients receive it only if it describes their own bytes.
        status: the HTTP status of the response, if it is more exact than phase and fault imply.
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
    """A response that violates HTTP. It concerns one resource; others of its backend may be valid."""


class StreamResetError(ProxyError):
    """A backend reset the stream of one exchange with HTTP/2. Its connection works."""


class UnprocessedError(ProxyError):
    """A backend provably has not processed a request (RFC 9113 §8.7), so it may be sent again.

    Args:
        phase: the stage at which the attempt ended.
        fault: the cause.
        detail: one sentence for the operator.
        same: whether only the same backend can process it, with another version of HTTP.
    """

    def __init__(self, phase: Phase, fault: Fault, detail: str, *, same: bool = False) -> None:
        super().__init__(phase, fault, detail)
        self.same = same


class UsageError(Exception):
    """Invalid input of the user. The message is one line with the value and the expected form."""


class StartError(Exception):
    """Valid input that cannot be carried out here, such as a port in use. The message is one line."""
