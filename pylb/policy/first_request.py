"""The first-request rule: a new or half-open backend receives the next request, regardless of the policy.

Among hundreds of backends, and with a tenth of its weight (`policy.slowstart`), a new backend would wait long
for its first request, and a wrong registration would stay undetected for as long. So a backend that joins
others receives the next request as its first one (docs/adr/first-request.md). A half-open backend receives
the next request as its trial, and no other one while the trial runs (docs/adr/half-open.md).

The rule wraps every policy: the pool applies it before it uses the balancer. Retries are exempt.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain

from pylb.policy.backend import Backend


def due_for_first_request(
    untested: Iterable[Backend], half_open: Iterable[Backend], now: float
) -> Backend | None:
    """Return the backend that receives the next request regardless of the policy, or None.

    Args:
        untested: new backends without a known request; those that have one by now are skipped.
        half_open: backends that receive one trial request at a time; those at their limit are skipped.
        now: monotonic seconds.
    """
    new = (backend for backend in untested if not backend.inflight)
    again = (b for b in half_open if b.health.takes_trial(now) and b.inflight < b.limit)
    return next(chain(new, again), None)
