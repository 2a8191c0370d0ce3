"""Passive health: what the ends of requests say of a backend, and for how long it is left alone for it.

    what happened                               what it means
    no connection: refused, unreachable, late   suspect at once, for 1 s; twice as long each time, up to 30 s
    the connection broke, or no HTTP came       the same
    5 failures in a row: those, a status above  ejected for 10 s times the number of ejections, up to 300 s
    499, no answer in time, none until the      (Envoy's `consecutive_5xx` and `base_ejection_time`)
    client gave up
    a good answer                               the row ends; if it was left alone, it is back

What a client does, and what only one page does, is no failure of the backend: a connection that breaks while
the client has not sent all of its request, or does not read the answer; silence after a good head (an event
stream without events); a response that breaks HTTP's rules in a field or in its body. No answer in time is a
sign of a process that hangs only if that backend answered nothing else meanwhile; and it ejects the backend
only if others of the pool do answer, as there are requests that nobody answers in time (long polls).

What an attempt has to say that began before the backend was marked is no news: one crash breaks many requests
at once, and is still one crash. When its time is over a backend is on probation: it gets one request at a
time, so that one client pays if it is as bad as before, and not all (a circuit breaker calls this half-open).
One more failure marks it again, a good answer, from its head on, brings it back. How often it was marked is
forgotten once it has behaved for as long as it was last left alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from math import inf
from typing import Protocol

from pylb.errors import Fault, InvalidResponseError, Phase, ProxyError
from pylb.policy.retry import is_stale

GIVEN_UP = 0.5
"""Seconds without an answer after which it speaks against a backend that the client left.

Clients give up for reasons of their own, too. But five in a row, while none got an answer there, is what a
process looks like that hangs: it accepts connections, and long before `--response-timeout` nobody waits."""

UPLOAD_GRACE = 1.0
"""Seconds in which the request that tries a backend on probation must have arrived whole. After that another
request may try it, or a client that trickles its upload would keep the backend out."""

MOST_DOUBLINGS = 32
"""Beyond, every time is longer than the longest, and a float might overflow."""


class Outcome(Enum):
    """What one attempt says of its backend."""

    SUCCESS = "success"
    FAILURE = "failure"
    """It answered that it cannot."""
    SILENCE = "silence"
    """It gave no answer in time, or none until the client gave up."""
    RESET = "reset"
    """It broke the connection off."""
    REFUSED = "refused"
    """There was no connection to be had."""


@dataclass(frozen=True, slots=True)
class HealthRules:
    """When a backend is left alone, and for how long. Times are in seconds."""

    suspect: float = 1.0
    """After the first refused or broken connection; 0 switches suspicion off."""
    suspect_most: float = 30.0
    failures: int = 5
    """In a row, until it is ejected; 0 switches ejection off."""
    ejected: float = 10.0
    ejected_most: float = 300.0
    share: float = 0.5
    """Of a pool's backends that may be ejected at a time."""
    panic: float = 0.5
    """If less than this share of a pool is fit, failures no longer matter: better a bad answer than none.
    Those that accept no connection are still left out, unless nobody else is there. (Envoy: panic.)"""
    panic_fails: bool = False
    """In that case, send requests nowhere instead."""
    forget: float = 10.0
    """The least time of good conduct after which earlier marks no longer count."""


def judge(
    error: ProxyError | None,
    status: int,
    *,
    reused: bool,
    answered: bool,
    client_gave_up: float = 0.0,
    client_delayed: bool = False,
) -> Outcome | None:
    """What an attempt says of its backend; None if nothing, because the client, pylb or chance ended it.

    Args:
        error: how it failed, if it did.
        status: of the response; 0 if there was none.
        reused: whether it was made on an idle connection.
        answered: whether a byte came back.
        client_gave_up: seconds that the client waited for the first one, if it left because none came.
        client_delayed: whether a connection that broke may have ended because of the client.
    """
    if error is None:
        return None if not status else Outcome.FAILURE if status >= 500 else Outcome.SUCCESS
    if client_gave_up >= GIVEN_UP:
        return Outcome.SILENCE
    if error.phase is Phase.TUNNEL or error.fault not in {Fault.UPSTREAM, Fault.UPSTREAM_TIMEOUT}:
        return None
    if is_stale(error, reused=reused, answered=answered):
        return None
    if error.phase is Phase.CONNECT:
        return Outcome.REFUSED
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


class Health:
    """What traffic knows of one backend. Times are monotonic seconds."""

    __slots__ = (
        "ejections",
        "failures",
        "first",
        "refused",
        "since",
        "suspicions",
        "total",
        "trial",
        "until",
    )

    def __init__(self) -> None:
        self.total = 0
        """Failures in all; nothing takes them back."""
        self.clear()

    def clear(self) -> None:
        """Know nothing against it: it has just been registered."""
        self.failures = 0
        """In a row."""
        self.first = -inf
        """When the first request of that row began."""
        self.refused = False
        """Whether the last failure was that it accepts no connection."""
        self.suspicions = 0
        self.ejections = 0
        self.since = -inf
        """When it was last marked."""
        self.until = -inf
        """When it is, or was, to be used again."""
        self.trial: Trial | None = None
        """The lease of the one request that it has while it is on probation."""

    def takes_trial(self, now: float) -> bool:
        """Whether a backend on probation may be tried with another request."""
        trial = self.trial
        return trial is None or (trial.uploading and now - trial.started > UPLOAD_GRACE)

    def succeeded(self, started: float, now: float) -> bool:
        """A request that began at `started` was answered well; whether that is news."""
        if started < self.since:
            return False
        self.failures = 0
        self.refused = False
        self.until = min(self.until, now)
        return True

    def failed(self, outcome: Outcome, started: float, now: float, rules: HealthRules) -> bool:
        """A request that began at `started` failed; whether the backend is to be left alone for it."""
        self.total += 1
        if started < self.since:
            return False
        if now - self.until > max(rules.forget, self.until - self.since):
            self.suspicions = self.ejections = 0
        if not self.failures:
            self.first = started
        self.failures += 1
        self.refused = outcome is Outcome.REFUSED
        if outcome not in {Outcome.REFUSED, Outcome.RESET} or not rules.suspect:
            return False
        self.suspicions += 1
        doublings = min(self.suspicions - 1, MOST_DOUBLINGS)
        self._leave_alone(now, min(rules.suspect * 2**doublings, rules.suspect_most))
        return True

    def is_due(self, rules: HealthRules) -> bool:
        """Whether it has failed often enough to be ejected."""
        return 0 < rules.failures <= self.failures

    def eject(self, now: float, rules: HealthRules) -> None:
        """Leave it alone for longer than the last time."""
        self.ejections += 1
        self.failures = rules.failures - 1
        self._leave_alone(now, min(rules.ejected * self.ejections, rules.ejected_most))

    def _leave_alone(self, now: float, seconds: float) -> None:
        self.since = now
        self.until = max(self.until, now + seconds)
