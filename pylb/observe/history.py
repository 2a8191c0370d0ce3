"""The history of pool changes: each change, its cause and its propagation times.

A change is *seen* when the registry response has been read, *applied* when all pools use it, and *routed*
when a request has been sent to an instance that it added. Only the last one proves that the whole path works.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pylb.model import Endpoint, PoolState
from pylb.observe.histogram import Histogram

SIZE = 1000
"""Number of changes kept, of all services together."""

BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Upper bounds of the propagation buckets, in seconds."""


@dataclass(slots=True)
class Entry:
    """One change of one service's pool."""

    number: int
    """Sequence number since the start; a client resumes after the last number it has."""
    time: float
    """The time at which it was seen, in seconds since the epoch."""
    service: str
    generation: int
    cause: str
    added: tuple[str, ...]
    """Names of instances."""
    changed: tuple[str, ...]
    removed: tuple[str, ...]
    """Names of instances, with the reason if the registry states one: `web-1 (critical: ...)`."""
    instances: int
    """Number of routable instances after the change."""
    untrusted_reason: str
    """Why some of them are kept although the registry response lacks them; empty if none are."""
    applied: float | None = None
    """Seconds from seen to applied."""
    routed: float | None = None
    """Seconds from seen until the first request to an added instance."""

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {name: getattr(self, name) for name in self.__slots__}


class History:
    """The last changes, and the distribution of their propagation times.

    Args:
        size: the number of changes kept.
    """

    def __init__(self, size: int = SIZE) -> None:
        self.entries: deque[Entry] = deque(maxlen=size)
        self.applied: dict[str, Histogram] = {}
        """By service: from seen to applied."""
        self.routed: dict[str, Histogram] = {}
        """By service: from seen to the first request."""
        self.listeners: set[Callable[[], None]] = set()
        """Called after each change."""
        self._latest: dict[str, PoolState] = {}
        self._count = 0
        self._restored = 0
        """The number of the last entry that a previous process recorded."""

    def restore(self, entries: Iterable[Mapping[str, Any]], latest: Iterable[PoolState]) -> None:
        """Continue the history of a previous process. Entries of this process follow its entries.

        Args:
            entries: the results of `Entry.as_dict`. They replace those of an earlier call.
            latest: the last states that the pools of that process applied.

        Raises:
            TypeError: the entries are from an incompatible version.
        """
        restored = [Entry(**{**entry, **_tuples(entry)}) for entry in entries]
        own = [entry for entry in self.entries if entry.number > self._restored]
        self._restored = self._count = max((entry.number for entry in restored), default=0)
        for entry in own:
            self._count += 1
            entry.number = self._count
        self.entries = deque([*restored, *own], maxlen=self.entries.maxlen)
        self._latest = {state.service: state for state in latest} | self._latest

    def forget(self, service: str) -> None:
        """Discard the propagation times of a service, and its last state."""
        for by_service in (self.applied, self.routed, self._latest):
            by_service.pop(service, None)

    def record(self, state: PoolState) -> Entry:
        """Record that a pool is about to apply this state."""
        before = self._latest.get(state.service)
        self._latest[state.service] = state
        added, changed, removed = compare(before, state)
        why = {excluded.endpoint.key: f" ({excluded.reason})" for excluded in state.excluded}
        self._count += 1
        entry = Entry(
            number=self._count,
            time=state.observed,
            service=state.service,
            generation=state.generation,
            cause=state.cause,
            added=tuple(map(name, added)),
            changed=tuple(map(name, changed)),
            removed=tuple(name(e) + why.get(e.key, "") for e in removed),
            instances=len(state.endpoints),
            untrusted_reason=state.untrusted_reason,
        )
        self.entries.append(entry)
        return entry

    def record_routes(self, generation: int, cause: str, now: float) -> Entry:
        """Record that all workers are about to receive other routes. The entry belongs to no service.

        Args:
            generation: of the routes.
            cause: the services whose declarations changed, as text.
            now: seconds since the epoch.
        """
        self._count += 1
        entry = Entry(self._count, now, "", generation, cause, (), (), (), 0, "")
        self.entries.append(entry)
        return entry

    def was_applied(self, entry: Entry, now: float) -> None:
        """Record that all pools applied a change at `now`, in seconds since the epoch."""
        entry.applied = max(0.0, now - entry.time)
        self.applied.setdefault(entry.service, Histogram(BOUNDS)).add(entry.applied)
        self._notify()

    def was_routed(self, entry: Entry, now: float) -> None:
        """Record that the first request was sent to an added instance."""
        entry.routed = max(0.0, now - entry.time)
        self.routed.setdefault(entry.service, Histogram(BOUNDS)).add(entry.routed)
        self._notify()

    def since(self, number: int = 0, *, service: str = "") -> Iterator[Entry]:
        """Entries with a greater number, oldest first; optionally of one service only."""
        return (e for e in self.entries if e.number > number and service in ("", e.service))

    def _notify(self) -> None:
        for listener in tuple(self.listeners):
            listener()


def _tuples(entry: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """The names of instances as tuples; JSON decodes them as lists."""
    return {names: tuple(entry[names]) for names in ("added", "changed", "removed")}


def name(endpoint: Endpoint) -> str:
    """The name of an instance for operators: its id, or its address."""
    return endpoint.id or endpoint.authority


def compare(old: PoolState | None, new: PoolState) -> tuple[list[Endpoint], list[Endpoint], list[Endpoint]]:
    """The routable instances that were added, changed (also by a probe or an override) and removed."""
    before = {each[0].key: each for each in old.instances()} if old else {}
    after = {each[0].key: each for each in new.instances()}
    return (
        [endpoint for key, (endpoint, _) in after.items() if key not in before],
        [instance[0] for key, instance in after.items() if key in before and before[key] != instance],
        [endpoint for key, (endpoint, _) in before.items() if key not in after],
    )
