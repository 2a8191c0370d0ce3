"""Passive health of one backend: evaluates the results of requests, and computes the time of an exclusion.

    result of an attempt                        effect
    no connection: refused, unreachable, no     suspect immediately, for 1 s; doubled each time, up to 30 s
    answer in time
    the connection broke, or no HTTP arrived    the same
    5 consecutive failures: the above, a        ejected for 10 s times the number of ejections, up to 300 s
    status above 499, no response in time,      (Envoy's `consecutive_5xx` and `base_ejection_time`)
    or none until the client gave up
    a successful response                       failures are reset; an excluded backend is restored

Failures that the client or a single resource causes do not count: a broken connection while the client has
not sent its whole request or reads the response slowly; silence after a good head (an event stream without
events); a response that violates HTTP in a field or in its body. A missing response suggests a hung process
only if the backend answered nothing else meanwhile; and it ejects the backend only if others of the pool do
answer, because no backend answers some requests in time (long polls).

An attempt that began before the last change of state does not count: one crash breaks many requests at once,
and is still one crash. When an exclusion ends, the backend is half-open: it receives one trial request at a
time, so that only one client suffers if it still fails (as in a circuit breaker). A failure excludes it
again; a successful response restores it as soon as its head arrives. The number of exclusions is reset once
the backend has worked for as long as its last exclusion lasted, and for at least `--eject-time`.
"""

from __future__ import annotations

from enum import Enum
from math import inf
from typing import Protocol

from pylb.config.backends import Health
from pylb.errors import (
    Fault,
    InvalidResponseError,
    Phase,
    ProxyError,
    StreamResetError,
    UnprocessedError,
)
from pylb.policy.retry import is_stale

GIVEN_UP = 0.5
"""Seconds without a response after which a client that gives up counts as a failure of the backend.

Clients also give up for unrelated reasons. But five in a row without any response indicate a hung process: it
still accepts connections, and clients leave long before `--response-timeout`."""

UPLOAD_GRACE = 1.0
"""Seconds in which the trial request of a half-open backend must arrive completely. After that another
request may be the trial; otherwise a client with a slow upload could keep the backend excluded."""

LONGEST_SUSPICION = 30.0
"""Maximum seconds for which a suspect backend is excluded."""

LONGEST_EJECTION = 300.0
"""Maximum seconds for which a backend is ejected."""

MAX_DOUBLINGS = 32
"""With more doublings every duration exceeds the maximum, and a float might overflow."""


class Outcome(Enum):
    """The result of one attempt for the health of its backend."""

    SUCCESS = "success"
    FAILURE = "failure"
    """A status of 500 or above, or a stream of HTTP/2 that the backend reset."""
    SILENCE = "silence"
    """No response in time, or none until the client gave up."""
    RESET = "reset"
    """The backend broke the connection."""
    UNREACHABLE = "unreachable"
    """No connection could be opened."""


def classify(
    error: ProxyError | None,
    status: int,
    *,
    reused: bool,
    answered: bool,
    client_gave_up: float = 0.0,
    client_delayed: bool = False,
) -> Outcome | None:
    """Return the result of an attempt for the health of its backend; None if another cause ended it.

    Args:
        error: the failure; None after a complete response.
        status: of the response; 0 if there was none.
        reused: whether the attempt used an idle connection.
        answered: whether the backend sent at least one byte.
        client_gave_up: seconds that the client waited for the first byte before it gave up; 0 if it did not.
        client_delayed: whether the client may be the cause of a broken connection.
    """
    if error is None:
        return None if not status else Outcome.FAILURE if status >= 500 else Outcome.SUCCESS
    if client_gave_up >= GIVEN_UP:
        return Outcome.SILENCE
    if error.phase is Phase.TUNNEL or error.fault not in {Fault.UPSTREAM, Fault.UPSTREAM_TIMEOUT}:
        return None
    if isinstance(error, UnprocessedError) or is_stale(error, reused=reused, answered=answered):
        return None
    if isinstance(error, StreamResetError):
        return Outcome.FAILURE
    if error.phase is Phase.CONNECT:
        return Outcome.UNREACHABLE
    if status >= 500:
        return Outcome.FAILURE
    if error.fault is Fault.UPSTREAM_TIMEOUT:
        return Outcome.SILENCE if error.phase is Phase.HEADERS else None
    return None if client_delayed or isinstance(error, InvalidResponseError) else Outcome.RESET


class Trial(Protocol):
    """The facts about a half-open backend's only request; a `Lease` has them."""

    started: float
    """Monotonic seconds."""
    uploading: bool
    """Whether the client is still sending the request's body."""


class PassiveHealth:
    """Passive health of one backend. Times are monotonic seconds."""

    __slots__ = (
        "ejections",
        "failures",
        "first",
        "since",
        "suspicions",
        "total",
        "trial",
        "unreachable",
        "until",
    )

    def __init__(self) -> None:
        self.total = 0
        """Number of failures since the start; never reset."""
        self.clear()

    def clear(self) -> None:
        """Reset everything but `total`, as for a new backend."""
        self.failures = 0
        """Consecutive failures."""
        self.first = -inf
        """Start of the first request of these failures."""
        self.unreachable = False
        """Whether the last failure was a failed connect."""
        self.suspicions = 0
        """Number of times that it became suspect."""
        self.ejections = 0
        """Number of times that it was ejected."""
        self.since = -inf
        """Start of the last exclusion."""
        self.until = -inf
        """End of the last exclusion."""
        self.trial: Trial | None = None
        """The lease of the running trial request while the backend is half-open."""

    def takes_trial(self, now: float) -> bool:
        """Whether a half-open backend may receive a trial request."""
        trial = self.trial
        return trial is None or (trial.uploading and now - trial.started > UPLOAD_GRACE)

    def succeeded(self, started: float, now: float) -> bool:
        """Record a successful request. Returns False if it began at `started`, before the last exclusion."""
        if started < self.since:
            return False
        self.failures = 0
        self.unreachable = False
        self.until = min(self.until, now)
        return True

    def failed(self, outcome: Outcome, started: float, now: float, options: Health) -> bool:
        """Record a failed request that began at `started`. Returns True if the backend becomes suspect."""
        self.total += 1
        if started < self.since:
            return False
        if now - self.until > max(options.eject_time, self.until - self.since):
            self.suspicions = self.ejections = 0
        if not self.failures:
            self.first = started
        self.failures += 1
        self.unreachable = outcome is Outcome.UNREACHABLE
        if outcome not in {Outcome.UNREACHABLE, Outcome.RESET} or not options.suspect_time:
            return False
        self.suspicions += 1
        doublings = min(self.suspicions - 1, MAX_DOUBLINGS)
        self._exclude(now, min(options.suspect_time * 2**doublings, LONGEST_SUSPICION))
        return True

    def is_due(self, options: Health) -> bool:
        """Whether the backend has failed often enough to be ejected."""
        return 0 < options.eject_failures <= self.failures

    def eject(self, now: float, options: Health) -> None:
        """Record an ejection, which lasts longer than the last one."""
        self.ejections += 1
        self.failures = options.eject_failures - 1
        self._exclude(now, min(options.eject_time * self.ejections, LONGEST_EJECTION))

    def _exclude(self, now: float, seconds: float) -> None:
        self.since = now
        self.until = max(self.until, now + seconds)
