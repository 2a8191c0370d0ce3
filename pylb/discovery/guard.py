"""Which disappearances to believe: the registry's answer, and the instances kept against it.

A registry that adds or changes an instance is always believed at once. A registry that stops listing one may
have restarted empty, lost its leader, or hidden it from our token; dropping instances that work is how fabio
and consul-template turned such moments into outages (fabio issue 861, consul-template issue 1131). The rules:

| an instance | and the answer | is kept |
|---|---|---|
| in maintenance | whatever it is | not at all |
| no longer listed | is beyond doubt | not at all |
| unhealthy | is beyond doubt, others are healthy | for `critical_grace`, 0 s by default |
| unhealthy | is beyond doubt, no other is healthy | for `empty_guard`, 10 s by default |
| either | is in doubt, none is healthy | until some are |
| either | is in doubt, fewer are healthy than are missing | until unchanged for `empty_guard` |
| either | is in doubt, at least as many are healthy | until unchanged for `settle`, 1 s |

An answer is untrusted if the provider flags it (`Snapshot.untrusted_reason`), if it is the first after
contact was lost, and for `empty_guard` seconds after that: an agent that has just restarted may first
return what the servers remember, and then deregister it. Reasons: docs/adr/untrusted-answers.md.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from math import inf

from pylb.model import Endpoint, Key, Snapshot

log = logging.getLogger("pylb.discovery")

UNHEALTHY = frozenset({"critical", "warning"})
MAX_NAMED = 8
"""Names that a log line gives before it only counts."""


class Why(Enum):
    """Why an instance is kept; each value is the name of the guard's counter."""

    DOUBT = "held_doubtful"
    EMPTY = "held_empty"
    CRITICAL = "held_critical"


@dataclass(frozen=True, slots=True)
class Held:
    """An instance that is kept although the registry's last answer speaks against it."""

    endpoint: Endpoint
    why: Why
    since: float


class Listing:
    """What one answer says of single instances."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.healthy = len(snapshot.endpoints)
        self._keys = {e.key for e in snapshot.endpoints}
        self._authorities = {e.authority for e in snapshot.endpoints}
        self._excluded = {x.endpoint.key: x.endpoint.status for x in snapshot.excluded}

    def serves(self, endpoint: Endpoint) -> bool:
        """Whether it may be sent requests, be it at another address or under another name."""
        return endpoint.key in self._keys or endpoint.authority in self._authorities

    def knows(self, key: Key) -> bool:
        """Whether the instance is listed, in whatever state."""
        return key in self._keys or key in self._excluded

    def unhealthy(self, key: Key) -> bool:
        """Whether the instance is listed, and only its checks speak against it."""
        return self._excluded.get(key) in UNHEALTHY


class Guard:
    """Judges each answer of one watch.

    Args:
        guards: counts the guards taken, by name.
        empty_guard: seconds; 0 switches every rule off, the registry's word is then final.
        settle: seconds without a change after which a doubtful answer that lists enough is believed.
        critical_grace: seconds for which an unhealthy instance among healthy ones is kept.
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
        self.retained: dict[Key, Held] = {}
        self.reason = ""
        """Why they are held, in words."""
        self.due = inf
        """When `judge` must be asked again, even if no answer comes before."""
        self._guards = guards
        self._seen: Snapshot | None = None
        self._lost = ""
        self._doubtful_until = -inf

    def lost_contact(self, error: str) -> None:
        """The registry cannot be asked: until it answers nothing is let go, and then it is in doubt."""
        self._lost = error
        self.due = inf

    def resume(self, known: Snapshot, why: str) -> None:
        """Go on from what was known before; as contact was lost since then, the first answer is in doubt."""
        self._seen = known
        self.lost_contact(why)

    def judge(self, seen: Snapshot, now: float) -> Snapshot:
        """Return what to go by: `seen`, and with it what is kept.

        Args:
            seen: the registry's last answer; the same one again when `due` has come.
            now: monotonic seconds.
        """
        before, self._seen = self._seen, seen
        settled = seen.same_content(before) and not self._lost
        untrusted_reason = self._reason_to_doubt(seen, now)
        if before is None or not self.empty_guard:
            return seen
        if settled and not self.retained:
            return seen
        listing, former = Listing(seen), Listing(before)
        missing = {}
        for endpoint, retained in self._candidates(before):
            why = self._why(endpoint, retained, listing, former, untrusted_reason)
            if why:
                resumes = retained and (settled or why is not Why.DOUBT)
                missing[endpoint.key] = Held(endpoint, why, retained.since if retained and resumes else now)
        kept = {
            key: retained
            for key, retained in missing.items()
            if now < self._until(retained, listing, missing)
        }
        self._tell(kept, listing, untrusted_reason, seen.service)
        self.retained = kept
        self.due = min((self._until(retained, listing, missing) for retained in kept.values()), default=inf)
        return self._with_held(seen)

    def _reason_to_doubt(self, seen: Snapshot, now: float) -> str:
        if self._lost:
            error, self._lost = self._lost, ""
            self._doubtful_until = now + self.empty_guard
            return f"contact was lost ({error})"
        return seen.untrusted_reason or ("contact is young" if now < self._doubtful_until else "")

    def _candidates(self, before: Snapshot) -> Iterable[tuple[Endpoint, Held | None]]:
        """Everything that took requests until now; the two parts never share an instance."""
        yield from ((retained.endpoint, retained) for retained in self.retained.values())
        yield from ((endpoint, None) for endpoint in before.endpoints)

    def _why(
        self,
        endpoint: Endpoint,
        retained: Held | None,
        listing: Listing,
        former: Listing,
        untrusted_reason: str,
    ) -> Why | None:
        """Why an instance may be kept for some time; None if it need not, or must not."""
        key = endpoint.key
        if listing.serves(endpoint):
            return None
        if listing.knows(key):
            if not listing.unhealthy(key):
                return None  # in maintenance, or another instance has its address
        elif former.knows(key) and not untrusted_reason:
            return None  # deregistered before our eyes
        if untrusted_reason or (retained and retained.why is Why.DOUBT):
            return Why.DOUBT
        return Why.CRITICAL if listing.healthy else Why.EMPTY

    def _until(self, retained: Held, listing: Listing, missing: Collection[Key]) -> float:
        """When an instance is kept no longer, if nothing changes until then."""
        match retained.why:
            case Why.EMPTY:
                return retained.since + self.empty_guard
            case Why.CRITICAL:
                return retained.since + self.critical_grace
            case Why.DOUBT if not listing.healthy:
                return inf
            case Why.DOUBT:
                return retained.since + (self.settle if listing.healthy >= len(missing) else self.empty_guard)

    def _tell(self, kept: dict[Key, Held], listing: Listing, untrusted_reason: str, service: str) -> None:
        """Count and log who is kept from now on, who came back, and who is let go."""
        newly = [retained for key, retained in kept.items() if key not in self.retained]
        back = [retained for retained in self.retained.values() if listing.serves(retained.endpoint)]
        dropped = [
            retained for key, retained in self.retained.items() if key not in kept and retained not in back
        ]
        if newly:
            self.reason = untrusted_reason or "no healthy instance would be left"
            self._guards.update({retained.why.value for retained in newly})
            log.warning(
                "%s: keeping %s against the registry's answer: %s", service, _named(newly), self.reason
            )
        if back:
            self._guards["flap_absorbed"] += len(back)
            log.info("%s: the registry lists %s again", service, _named(back))
        if dropped:
            log.warning("%s: letting %s go, as the registry has it", service, _named(dropped))
        if not kept:
            self.reason = ""

    def _with_held(self, seen: Snapshot) -> Snapshot:
        if not self.retained:
            return seen
        endpoints = [*seen.endpoints, *(retained.endpoint for retained in self.retained.values())]
        return replace(
            seen,
            endpoints=tuple(sorted(endpoints, key=lambda e: e.key)),
            excluded=tuple(x for x in seen.excluded if x.endpoint.key not in self.retained),
            untrusted_reason=self.reason,
        )


def _named(instances: Collection[Held]) -> str:
    return some_of([retained.endpoint.id or retained.endpoint.authority for retained in instances])


def some_of(names: Sequence[str]) -> str:
    """Name the first ones for a log line and count the rest: `web-1, web-2 and 9 more`."""
    more = len(names) - MAX_NAMED
    return ", ".join(names[:MAX_NAMED]) + (f" and {more} more" if more > 0 else "")
