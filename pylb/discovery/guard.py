"""Decides which removals of instances to apply at once; the other instances are retained for some time.

Rules: additions and changes are always applied at once. A registry that no longer lists an instance may have
restarted empty, lost its leader, or hidden it from the token; fabio and consul-template removed working
instances in such moments, and turned them into outages (fabio issue 861, consul-template issue 1131).

| an instance | and the response | is retained |
|---|---|---|
| in maintenance | any | not at all |
| no longer listed | is trusted | not at all |
| unhealthy | is trusted, others are healthy | for `critical_grace`, 0 s by default |
| unhealthy | is trusted, no other is healthy | for `empty_guard`, 10 s by default |
| unlisted or unhealthy | is untrusted, none is healthy | until some are |
| unlisted or unhealthy | is untrusted, fewer are healthy than missing | until unchanged for `empty_guard` |
| unlisted or unhealthy | is untrusted, at least as many are healthy | until unchanged for `settle`, 1 s |

A response is untrusted if the provider flags it (`Snapshot.untrusted_reason`), if it is the first after
contact was lost, and for `empty_guard` seconds after that: an agent that has just restarted may first return
the instances that the servers remember, and then deregister them. Reasons: docs/adr/untrusted-answers.md.

The guard does no I/O and does not read the clock.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from enum import Enum
from math import inf

from pylb.discovery.abbreviation import abbreviated
from pylb.model import Endpoint, Key, Snapshot

log = logging.getLogger("pylb.discovery")

UNHEALTHY = frozenset({"critical", "warning"})


class Reason(Enum):
    """Why an instance is retained; each value is the name of the guard's counter."""

    UNTRUSTED = "retained_untrusted"
    EMPTY = "retained_empty"
    CRITICAL = "retained_critical"


@dataclass(frozen=True, slots=True)
class Retained:
    """An instance that stays routable although the last response does not confirm it."""

    endpoint: Endpoint
    reason: Reason
    since: float


class Listing:
    """The instances of one response, by key and address."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.healthy = len(snapshot.endpoints)
        self._keys = {e.key for e in snapshot.endpoints}
        self._authorities = {e.authority for e in snapshot.endpoints}
        self._excluded = {x.endpoint.key: x.endpoint.status for x in snapshot.excluded}

    def serves(self, endpoint: Endpoint) -> bool:
        """Whether it is routable, possibly at another address or under another id."""
        return endpoint.key in self._keys or endpoint.authority in self._authorities

    def knows(self, key: Key) -> bool:
        """Whether the instance is listed, in any state."""
        return key in self._keys or key in self._excluded

    def unhealthy(self, key: Key) -> bool:
        """Whether the instance is listed and excluded by its checks only."""
        return self._excluded.get(key) in UNHEALTHY


class Guard:
    """Evaluates the responses for one service.

    Args:
        guards: counts the actions of guards, by name.
        empty_guard: seconds; 0 switches all rules off, and every response is applied as it is.
        settle: seconds without a change after which an untrusted response that lists enough is applied.
        critical_grace: seconds for which an unhealthy instance among healthy ones is retained.
    """

    def __init__(
        self,
        guards: Counter[str],
        *,
        empty_guard: float = 10.0,
        settle: float = 1.0,
        critical_grace: float = 0.0,
    ) -> None:
        self.empty_guard = empty_guard
        self.settle = min(settle, empty_guard)
        self.critical_grace = critical_grace
        self.retained: dict[Key, Retained] = {}
        self.reason = ""
        """Why they are retained, as text."""
        self.due = inf
        """When `evaluate` must be called again, even if no response comes before."""
        self._guards = guards
        self._last: Snapshot | None = None
        self._lost = ""
        self._untrusted_until = -inf

    def lost_contact(self, error: str) -> None:
        """Note that the registry does not respond: nothing is removed, and its next response is untrusted."""
        self._lost = error
        self.due = inf

    def resume(self, known: Snapshot, reason: str) -> None:
        """Continue from an earlier snapshot; contact was lost since, so the next response is untrusted."""
        self._last = known
        self.lost_contact(reason)

    def evaluate(self, response: Snapshot, now: float) -> Snapshot:
        """Return the response together with the retained instances.

        Args:
            response: the registry's last response; the same one again when `due` is reached.
            now: monotonic seconds.
        """
        before, self._last = self._last, response
        settled = response.same_content(before) and not self._lost
        untrusted_reason = self._untrusted_reason(response, now)
        if before is None or not self.empty_guard:
            return response
        if settled and not self.retained:
            return response
        listing, former = Listing(response), Listing(before)
        missing = {}
        for endpoint, retained in self._candidates(before):
            reason = self._reason(endpoint, retained, listing, former, untrusted_reason)
            if reason:
                resumes = retained and (settled or reason is not Reason.UNTRUSTED)
                since = retained.since if retained and resumes else now
                missing[endpoint.key] = Retained(endpoint, reason, since)
        kept = {
            key: retained
            for key, retained in missing.items()
            if now < self._until(retained, listing, missing)
        }
        self._report(kept, listing, untrusted_reason, response.service)
        self.retained = kept
        self.due = min((self._until(retained, listing, missing) for retained in kept.values()), default=inf)
        return self._with_retained(response)

    def _untrusted_reason(self, response: Snapshot, now: float) -> str:
        if self._lost:
            error, self._lost = self._lost, ""
            self._untrusted_until = now + self.empty_guard
            return f"contact was lost ({error})"
        recent = f"reconnected to the registry less than {self.empty_guard:g} s ago"
        return response.untrusted_reason or (recent if now < self._untrusted_until else "")

    def _candidates(self, before: Snapshot) -> Iterable[tuple[Endpoint, Retained | None]]:
        """Yield the instances that were routable until now; the two parts have no instance in common."""
        yield from ((retained.endpoint, retained) for retained in self.retained.values())
        yield from ((endpoint, None) for endpoint in before.endpoints)

    def _reason(
        self,
        endpoint: Endpoint,
        retained: Retained | None,
        listing: Listing,
        former: Listing,
        untrusted_reason: str,
    ) -> Reason | None:
        """Return why an instance is retained for some time; None if it is not."""
        key = endpoint.key
        if listing.serves(endpoint):
            return None
        if listing.knows(key):
            if not listing.unhealthy(key):
                return None  # In maintenance, or another instance has its address.
        elif former.knows(key) and not untrusted_reason:
            return None  # Deregistered while pylb was connected.
        if untrusted_reason or (retained and retained.reason is Reason.UNTRUSTED):
            return Reason.UNTRUSTED
        return Reason.CRITICAL if listing.healthy else Reason.EMPTY

    def _until(self, retained: Retained, listing: Listing, missing: Collection[Key]) -> float:
        """Return the end of the time for which an instance is retained, if nothing changes until then."""
        match retained.reason:
            case Reason.EMPTY:
                return retained.since + self.empty_guard
            case Reason.CRITICAL:
                return retained.since + self.critical_grace
            case Reason.UNTRUSTED if not listing.healthy:
                return inf
            case Reason.UNTRUSTED:
                return retained.since + (self.settle if listing.healthy >= len(missing) else self.empty_guard)

    def _report(
        self, kept: dict[Key, Retained], listing: Listing, untrusted_reason: str, service: str
    ) -> None:
        """Count and log the instances that are retained from now on, that returned, and that are removed."""
        newly = [retained for key, retained in kept.items() if key not in self.retained]
        back = [retained for retained in self.retained.values() if listing.serves(retained.endpoint)]
        dropped = [
            retained for key, retained in self.retained.items() if key not in kept and retained not in back
        ]
        if newly:
            self.reason = untrusted_reason or "no healthy instance would be left"
            self._guards.update({retained.reason.value for retained in newly})
            log.warning(
                "%s: retaining %s, which the registry does not confirm: %s",
                service,
                _named(newly),
                self.reason,
            )
        if back:
            self._guards["flap_absorbed"] += len(back)
            log.info("%s: the registry lists %s again", service, _named(back))
        if dropped:
            log.warning("%s: no longer retaining %s", service, _named(dropped))
        if not kept:
            self.reason = ""

    def _with_retained(self, response: Snapshot) -> Snapshot:
        if not self.retained:
            return response
        endpoints = [*response.endpoints, *(retained.endpoint for retained in self.retained.values())]
        return replace(
            response,
            endpoints=tuple(sorted(endpoints, key=lambda e: e.key)),
            excluded=tuple(x for x in response.excluded if x.endpoint.key not in self.retained),
            untrusted_reason=self.reason,
        )


def _named(instances: Collection[Retained]) -> str:
    return abbreviated([retained.endpoint.id or retained.endpoint.authority for retained in instances])
