"""Replays requests against two route tables, and states which of them would be treated differently.

It is pure: it reads no log and no registry. Header fields of the requests are unknown, so that routes with
`header:` matchers are compared as for a request without these fields.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from pylb.config.clients import Limits
from pylb.errors import ProxyError
from pylb.http1.headers import ClientInfo
from pylb.http1.parser import Request, parse_request
from pylb.routes.path import normalise
from pylb.routes.table import RouteTable

CLIENT = ClientInfo("", "http")
"""A client without an address and without TLS."""

MOST_GROUPS = 1000
"""Groups of differences; further ones are counted as one."""

REST = "(further)"
"""The host of the group that counts all further differences."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """A request that was served, and how often."""

    method: str
    host: str
    target: str
    """Path and query."""
    service: str = ""
    """The service that received it; empty if no route took it or it is unknown."""
    count: int = 1


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a table does with a request."""

    service: str = ""
    """The service that receives it; empty if no route takes it."""
    path: str = ""
    """The path that the backend receives."""
    answer: str = ""
    """How pylb answers it itself: `400`, `404`, `503`, `301`; empty if a backend does."""

    def __str__(self) -> str:
        """Return the text for operators."""
        return f"{self.answer} by pylb" if self.answer else self.service


@dataclass(frozen=True, slots=True)
class Group:
    """Requests that would be treated differently in the same way."""

    kind: str
    """`moved`, `no longer routed`, `newly routed`, or `path changed`."""
    host: str
    prefix: str
    """The first segment of their paths."""
    before: str
    after: str


@dataclass(slots=True)
class Comparison:
    """The result of a replay."""

    total: int = 0
    """The number of requests."""
    invalid: int = 0
    """Requests that are no valid heads, which both tables refuse."""
    groups: dict[Group, int] = field(default_factory=dict)
    """The number of requests by group, the largest first."""
    examples: dict[Group, str] = field(default_factory=dict)
    """One request of each group, as text."""

    @property
    def changed(self) -> int:
        """The number of requests that would be treated differently."""
        return sum(self.groups.values())


def outcome(table: RouteTable[Any], recorded: Recorded) -> Outcome:
    """Return what a table does with a request.

    Raises:
        ValueError: it is no valid request.
    """
    request = _request(recorded)
    path = request.target.partition(b"?")[0]
    if not table.takes_all:  # Without a choice of routes, pylb forwards paths as they are.
        try:
            path = normalise(path)
        except ValueError:
            return Outcome(answer="400")
    found = table.match(path, request, CLIENT)
    if found is None:
        return Outcome(answer="404")
    route = found.route
    if route.blocked:
        return Outcome(route.service, answer="503")
    try:
        path, stripped = found.edit_path(path) if found.edit_path is not None else (path, b"")
        if not route.has_pool:
            return Outcome(route.service, answer=str(found.answer(request, path, stripped).status))
    except ValueError:
        return Outcome(route.service, answer="400")
    return Outcome(route.service, path.decode("latin-1"))


def compare(
    requests: Iterable[Recorded], before: RouteTable[Any] | None, after: RouteTable[Any]
) -> Comparison:
    """Replay requests.

    Args:
        requests: what was served.
        before: the present table; None if only the service of each request is known.
        after: the proposed table.
    """
    made = Comparison()
    counts: dict[Group, int] = defaultdict(int)
    for each in requests:
        made.total += each.count
        try:
            was = outcome(before, each) if before is not None else _recorded(each)
            will = outcome(after, each)
        except ValueError:
            made.invalid += each.count
            continue
        kind = _kind(was, will, paths=before is not None)
        if not kind:
            continue
        group = Group(kind, each.host, _prefix(each.target), _shown(was, kind), _shown(will, kind))
        if group not in counts and len(counts) >= MOST_GROUPS:
            group = Group("further differences", REST, "", "", "")
        counts[group] += each.count
        made.examples.setdefault(group, f"{each.method} {each.host}{each.target}")
    made.groups = dict(sorted(counts.items(), key=lambda item: -item[1]))
    return made


def _request(recorded: Recorded) -> Request:
    host = f"Host: {recorded.host}\r\n" if recorded.host else ""
    version = "1.1" if host else "1.0"
    head = f"{recorded.method} {recorded.target} HTTP/{version}\r\n{host}\r\n"
    try:
        return parse_request(head.encode("latin-1", "replace"), Limits())
    except ProxyError as error:
        raise ValueError(str(error)) from None


def _recorded(recorded: Recorded) -> Outcome:
    return Outcome(recorded.service) if recorded.service else Outcome(answer="404")


def _kind(was: Outcome, will: Outcome, *, paths: bool) -> str:
    """Return how two outcomes differ; empty if they do not."""
    if was.answer == "404" and will.answer != "404":
        return "newly routed"
    if will.answer == "404" and was.answer != "404":
        return "no longer routed"
    if (was.service, was.answer) != (will.service, will.answer):
        return "moved"
    return "path changed" if paths and was.path != will.path else ""


def _shown(each: Outcome, kind: str) -> str:
    return f"{each}{each.path}" if kind == "path changed" else str(each)


def _prefix(target: str) -> str:
    path = target.partition("?")[0]
    return "/" + path.lstrip("/").partition("/")[0][:64]
