"""Overrides: what an operator decided at run time, laid over what the registry says.

Nothing of it is written into a backend. An override changes the snapshot before any pool sees it, so that a
drained instance is simply one that the snapshot excludes, with the reason for everybody to read; and when the
override ends, the registry's own words count again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import Enum
from math import inf

from pylb.model import Endpoint, Excluded, Snapshot

DECIDED = "operator: "
"""How the reason begins for which an operator's decision excludes an instance."""


class Action(Enum):
    """What an override does; each value is the word that operators use."""

    DRAIN = "drain"
    """Nothing new is sent to a backend, what runs there finishes."""
    EJECT = "eject"
    """Nothing new is sent to a backend, and what runs there is broken off, to be tried elsewhere if it may be
    (HAProxy's `shutdown sessions server`)."""
    RESTORE = "restore"
    """A backend takes its share whatever its requests say: it is neither left alone nor ejected."""
    WEIGHT = "weight"
    """A backend has another weight than the registry gives it; 0 sends nothing new."""
    MAINTENANCE = "maintenance"
    """Nothing new is sent to any backend of the service: its clients are answered 503."""
    POLICY = "policy"
    """The backends of the service are chosen in another way."""
    LOG_LEVEL = "log-level"
    """pylb says more in its log, or less."""


ALL_OF_PYLB = ""
"""Stands for a service in decisions that are about none."""

OUT = (Action.MAINTENANCE, Action.EJECT, Action.DRAIN)
"""Those that leave a backend without requests, the one that counts most first."""

OPPOSITES = {Action.RESTORE: Action.EJECT}
"""Of two that contradict each other, the newer one holds."""


@dataclass(frozen=True, slots=True)
class Override:
    """One decision."""

    id: int
    service: str
    action: Action
    backend: str = ""
    """The instance's id or its `host:port`; empty for the whole service."""
    weight: int = 0
    """For `WEIGHT`."""
    policy: str = ""
    """For `POLICY`: a key of `BALANCERS`."""
    level: str = ""
    """For `LOG_LEVEL`."""
    reason: str = ""
    """In the operator's words."""
    since: float = 0.0
    """Seconds since the epoch."""
    expires: float = inf
    """Likewise: when it ends by itself."""

    def concerns(self, endpoint: Endpoint) -> bool:
        """Whether it is about this instance."""
        return not self.backend or self.backend in (endpoint.id, endpoint.authority)

    def replaces(self, other: Override) -> bool:
        """Whether it says something new about the same thing, so that the other one has no say any more."""
        return self._subject == other._subject

    @property
    def _subject(self) -> tuple[str, str, Action]:
        return self.service, self.backend, OPPOSITES.get(self.action, self.action)

    def __str__(self) -> str:
        """`drain web-1 (deploy)`, as the log and the history name it."""
        what = {
            Action.WEIGHT: f"weight {self.weight} for",
            Action.POLICY: f"policy {self.policy} for",
            Action.LOG_LEVEL: f"log level {self.level} for",
        }.get(self.action, self.action.value)
        return f"{what} {self.backend or self.service or 'pylb'}{f' ({self.reason})' if self.reason else ''}"


def apply_overrides(snapshot: Snapshot, overrides: Iterable[Override]) -> Snapshot:
    """What the pools are to go by.

    Args:
        snapshot: what the registry says of a service.
        overrides: all that are in force, of any service.
    """
    decisions = [override for override in overrides if override.service == snapshot.service]
    if not decisions:
        return snapshot
    endpoints, excluded = [], list(snapshot.excluded)
    for endpoint in snapshot.endpoints:
        about = {override.action: override for override in decisions if override.concerns(endpoint)}
        out = next((about[action] for action in OUT if action in about), None)
        if out is not None:
            abandoned = out.action is Action.EJECT
            excluded.append(Excluded(endpoint, f"{DECIDED}{out}", abandoned=abandoned))
        else:
            weight = about[Action.WEIGHT].weight if Action.WEIGHT in about else endpoint.weight
            endpoints.append(replace(endpoint, weight=weight, trusted=Action.RESTORE in about))
    policy = next((each.policy for each in decisions if each.action is Action.POLICY), "")
    return replace(snapshot, endpoints=tuple(endpoints), excluded=tuple(excluded), policy=policy)
