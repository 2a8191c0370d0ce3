"""The retry budget: limits retries so that they cannot overload a service.

If every request to an overloaded service is attempted three times, the service receives three times the load
at the worst moment. So each request earns a fifth of a retry. A few retries per second are free, because a
quiet service could never earn one. Some are available on credit, as many as there are requests in flight:
when one backend of three dies, all its requests move to the others at once. The credit must be earned back
before more is granted, so that a service that fails completely receives exactly 20 % more requests from the
first failure on. (Finagle's RetryBudget and Envoy have the same share. Finagle also grants what was saved
before the failure; Envoy counts only requests in flight, which does not limit retries of quick failures.)
"""

from __future__ import annotations

LEAST = 3.0
"""Retries per second that are always allowed."""
CREDIT = 10.0
"""Retries that are granted before they are earned, however few requests are in flight."""


class RetryBudget:
    """The account of one service: opened by the first retry, reset once all retries are earned back.

    Args:
        percent: retries as a percentage of requests (`--retry-budget`).
    """

    __slots__ = ("_requests", "_share", "_since", "_spent")

    def __init__(self, percent: int) -> None:
        self._share = percent / 100
        """Retries that each request earns."""
        self._spent = 0
        """Retries since the account opened."""
        self._requests = 0
        """Number of requests at that time."""
        self._since = 0.0

    def spend(self, requests: int, in_flight: int, now: float) -> bool:
        """Take one retry. Returns False if the budget is exhausted.

        Args:
            requests: number of requests since the start.
            in_flight: number of requests in flight.
            now: monotonic seconds.
        """
        credit = max(CREDIT, in_flight)
        earned = max(self._share * (requests - self._requests), LEAST * (now - self._since))
        if not self._spent or earned >= self._spent + credit:
            self._spent, self._requests, self._since = 0, requests, now
            earned = 0.0
        if self._spent + 1 > max(credit, earned):
            return False
        self._spent += 1
        return True
