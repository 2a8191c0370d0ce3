"""Overrides: an operator's decisions at run time, applied on top of the registry's data.

`pool_state` lays overrides over the registry's data before any pool receives it. A drained instance is
therefore an instance that the state of the pool excludes, with the override as the visible reason. When the
override ends, the registry's data applies again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from math import inf

from pylb.model import PLAIN, Endpoint, Excluded, Key, Overlay, PoolState, Snapshot

DECIDED = "operator: "
"""Prefix of the reason for which an override excludes an instance."""


class Action(Enum):
    """The effect of an override; each value is the word that operators use."""

    DRAIN = "drain"
    """The backend receives no new requests; running ones finish."""
    EJECT = "eject"
    """The backend receives no new requests, and running ones are aborted and retried elsewhere if the retry
    rules allow it (HAProxy's `shutdown sessions server`)."""
    RESTORE = "restore"
    """The results of requests do not affect the backend: it is never suspect or ejected."""
    WEIGHT = "weight"
    """The backend has this weight instead of the registry's; with 0 it receives no new requests."""
    MAINTENANCE = "maintenance"
    """No backend of the service receives new requests: clients receive 503."""
    POLICY = "policy"
    """The service uses another balancing policy."""
    LOG_LEVEL = "log-level"
    """pylb logs at another level."""


ALL_OF_PYLB = ""
"""The service name in overrides that concern no service."""

OUT = (Action.MAINTENANCE, Action.EJECT, Action.DRAIN)
"""Actions that stop new requests, in order of precedence."""

OPPOSITES = {Action.RESTORE: Action.EJECT}
"""Contradicting actions; the newer of the two applies."""


@dataclass(frozen=True, slots=True)
class Override:
    """One decision of an operator."""

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
    """The operator's text."""
    since: float = 0.0
    """Seconds since the epoch."""
    expires: float = inf
    """When it ends, in seconds since the epoch; `inf` for never."""

    def concerns(self, endpoint: Endpoint) -> bool:
        """Whether it applies to this instance."""
        return not self.backend or self.backend in (endpoint.id, endpoint.authority)

    def replaces(self, other: Override) -> bool:
        """Whether it has the same subject as another override, and therefore replaces it."""
        return self._subject == other._subject

    @property
    def _subject(self) -> tuple[str, str, Action]:
        return self.service, self.backend, OPPOSITES.get(self.action, self.action)

    def __str__(self) -> str:
        """Return the text for log and history, such as `drain web-1 (deploy)`."""
        what = {
            Action.WEIGHT: f"weight {self.weight} for",
            Action.POLICY: f"policy {self.policy} for",
            Action.LOG_LEVEL: f"log level {self.level} for",
        }.get(self.action, self.action.value)
        return f"{what} {self.backend or self.service or 'pylb'}{f' ({self.reason})' if self.reason else ''}"


def pool_state(
    snapshot: Snapshot,
    probed: Mapping[Key, Overlay],
    overrides: Iterable[Override],
    *,
    generation: int = 0,
    cause: str = "",
    observed: float = 0.0,
    zone: str = "",
) -> PoolState:
    """Lay probe results and overrides over a snapshot.

    Args:
        snapshot: the registry's data for a service.
        probed: the instances that are probed, with the results.
        overrides: all overrides in force, of any service.
        generation: the number of the state.
        cause: why there is a new state, as text.
        observed: when the cause occurred, in seconds since the epoch.
        zone: pylb's own zone, whose instances are preferred; empty for no preference.
    """
    if zone:
        listed = (*snapshot.endpoints, *(each.endpoint for each in snapshot.excluded))
        elsewhere = [endpoint.key for endpoint in listed if endpoint.zone != zone]
        probed = dict(probed) | {key: replace(probed.get(key, PLAIN), other_zone=True) for key in elsewhere}
    decisions = [override for override in overrides if override.service == snapshot.service]
    overlays = dict(probed)
    endpoints, excluded, aborted = [], list(snapshot.excluded), []
    for endpoint in snapshot.endpoints:
        about = {override.action: override for override in decisions if override.concerns(endpoint)}
        out = next((about[action] for action in OUT if action in about), None)
        if out is None:
            endpoints.append(endpoint)
        else:
            excluded.append(Excluded(endpoint, f"{DECIDED}{out}"))
            aborted += [endpoint.key] if out.action is Action.EJECT else []
        if Action.WEIGHT in about or Action.RESTORE in about:
            weight = about[Action.WEIGHT].weight if Action.WEIGHT in about else None
            overlay = overlays.get(endpoint.key, PLAIN)
            overlays[endpoint.key] = replace(overlay, weight=weight, restored=Action.RESTORE in about)
    return PoolState(
        service=snapshot.service,
        endpoints=tuple(endpoints),
        excluded=tuple(excluded),
        generation=generation,
        observed=observed,
        cause=cause,
        untrusted_reason=snapshot.untrusted_reason,
        policy=next((each.policy for each in decisions if each.action is Action.POLICY), ""),
        overlays=tuple(overlays.items()),
        aborted=tuple(aborted),
    )
