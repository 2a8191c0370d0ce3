"""A route that fits the host and the path of a request, with what its actions make of the path.

Clients repeat paths, and this does not depend on anything else of a request, so the table keeps it.
"""

from __future__ import annotations

from typing import Generic, NamedTuple, TypeVar

from pylb.http1.writer import HeadChanges
from pylb.routes.compiled import CompiledRoute
from pylb.routes.edit import ResponseEdit

S = TypeVar("S")


class Fit(Generic[S]):
    """A route and a path.

    Args:
        route: fits the host and the path.
        path: in normal form.
        original: the path as the client sent it.
    """

    __slots__ = ("_edit", "_original", "certain", "error", "path", "route", "routed", "stripped")

    def __init__(self, route: CompiledRoute[S], path: bytes, original: bytes) -> None:
        self.route = route
        self.path = path
        self.stripped = b""
        """What was stripped from the path."""
        self.error = ""
        """Why the path of the request cannot be changed; empty if it can."""
        self._original = original
        if route.edit_path is not None:
            try:
                self.path, self.stripped = route.edit_path(path)
            except ValueError as error:
                self.error = str(error)
        edit = route.edit_request(self.stripped)
        self._edit = edit and edit.__call__  # A bound method costs less to call than an object.
        self.routed = self._routed(original, self.path)
        """What becomes of a request without a query."""
        self.certain = route.service is not None and not (
            self.error or route.tests or route.shares or route.guarded
        )
        """Whether each request with this host and path takes the route, and is forwarded."""

    def of(self, target: bytes) -> Routed[S]:
        """Return what becomes of a request with this target, which may have a query."""
        query = target[len(self._original) :]
        return self._routed(target, self.path + query) if query else self.routed

    def _routed(self, target: bytes, changed: bytes) -> Routed[S]:
        route, changes = self.route, None
        if self._edit is not None or changed != target:
            changes = HeadChanges(changed, self._edit or _unchanged)
        return Routed(route.service, changes, route.edit_response, self)


class Routed(NamedTuple, Generic[S]):
    """What becomes of a request."""

    service: S | None
    """What the request uses; None if pylb answers it."""
    changes: HeadChanges | None
    """Changes to the head that the backend receives; None changes nothing."""
    edit_response: ResponseEdit | None
    """Changes the fields of the response; None changes nothing."""
    fit: Fit[S]


def _unchanged(lines: bytes, _authority: bytes) -> bytes:
    return lines
