"""The retry budget: what keeps retries from becoming the load that nobody can bear.

If every request of an overloaded service is tried three times, it gets three times the load just then. So
retries are paid for: each request pays for a fifth of one. A few a second are free, or a quiet service could
never afford one. And some may be had on credit, as many as there are requests in flight: when one backend of
three dies, all that it had goes elsewhere at once. The credit is paid back before there are more, so that
from the first failure on a service that fails altogether is sent 20 % more than it was asked for, not 20 %
and something. (Finagle's RetryBudget and Envoy have the same share. The one lets what was saved up in good
times through on top, the other counts requests in flight alone, which lets quick failures through without
limit.)
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BudgetRules:
    """How many retries there may be."""

    share: float = 0.2
    """Per request."""
    least: float = 3.0
    """Per second, whatever the number of requests."""
    credit: float = 10.0
    """How many there may be before they are paid for, however few requests are in flight."""


class RetryBudget:
    """The account of one service: opened with the first retry, and closed once that is long paid for."""

    __slots__ = ("_requests", "_rules", "_since", "_spent")

    def __init__(self, rules: BudgetRules | None = None) -> None:
        self._rules = rules or BudgetRules()
        self._spent = 0
        """Retries since the account was opened."""
        self._requests = 0
        """How many requests there had been then."""
        self._since = 0.0

    def spend(self, requests: int, in_flight: int, now: float) -> bool:
        """Take out one retry, if there is one.

        Args:
            requests: how many there have been, since the start.
            in_flight: how many there are.
            now: monotonic seconds.
        """
        rules = self._rules
        credit = max(rules.credit, in_flight)
        paid = max(rules.share * (requests - self._requests), rules.least * (now - self._since))
        if not self._spent or paid >= self._spent + credit:
            self._spent, self._requests, self._since = 0, requests, now
            paid = 0.0
        if self._spent + 1 > max(credit, paid):
            return False
        self._spent += 1
        return True
