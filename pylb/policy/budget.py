"""The retry budget: what keeps retries from becoming the load that nobody can bear.

If every request of an overloaded service is tried three times, it gets three times the load just then. So
retries are paid for: each request puts a fifth of a retry into the purse, each retry takes one out. In the
long run a service that fails altogether is sent 20 % more than it was asked for. The purse holds as many
retries as there are requests in flight: when one backend of three dies, all that it had goes elsewhere at
once. A few a second are free, or a quiet service could never afford one. (Finagle's RetryBudget; Envoy has
the same share, but of the requests in flight alone, which lets quick failures through without limit.)
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BudgetRules:
    """How many retries there may be."""

    share: float = 0.2
    """Per request, in the long run."""
    least: float = 3.0
    """Per second, whatever the number of requests."""
    purse: float = 10.0
    """How many can be saved up, however few requests are in flight."""


class RetryBudget:
    """The purse of one service."""

    __slots__ = ("_at", "_requests", "_rules", "_tokens")

    def __init__(self, rules: BudgetRules | None = None) -> None:
        self._rules = rules or BudgetRules()
        self._tokens = self._rules.purse
        self._requests = 0
        self._at = 0.0

    def spend(self, requests: int, in_flight: int, now: float) -> bool:
        """Take out one retry, if there is one.

        Args:
            requests: how many there have been, since the start.
            in_flight: how many there are.
            now: monotonic seconds.
        """
        rules = self._rules
        earned = max(rules.share * (requests - self._requests), rules.least * (now - self._at))
        self._tokens = min(self._tokens + earned, max(rules.purse, in_flight))
        self._requests, self._at = requests, now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
