"""A route that is ready to serve: its tests, its actions as functions, and the service of its requests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from pylb.http1.headers import ClientInfo
from pylb.http1.parser import Request
from pylb.routes.apply import Access, Answer, Location, PathEdit, PatternLocation
from pylb.routes.declaration import Age
from pylb.routes.edit import RequestEdit, ResponseEdit
from pylb.routes.matchers import compile_tests, is_secure
from pylb.routes.path import normalise
from pylb.routes.route import Route
from pylb.routes.share import Shares

S = TypeVar("S")

Rank = tuple[tuple[int, ...], Age]
"""The sort key of a route, and its age: the order of precedence, which is total."""


class CompiledRoute(Generic[S]):
    """A route, compiled.

    Args:
        route: the declaration.
        service: what its requests use; None if they need no backend.
        fits: whether a path that begins with the literal characters of the match matches.
        rank: of the route in the order of precedence.
    """

    __slots__ = (
        *(
            "_answer",
            "_edits",
            "_location",
            "_strips",
            "access",
            "edit_path",
            "edit_response",
            "fits",
            "guarded",
        ),
        *("plain", "rank", "route", "service", "shares", "tests"),
    )

    def __init__(self, route: Route, service: S | None, fits: Callable[[bytes], bool], rank: Rank) -> None:
        actions = route.actions
        self.route = route
        self.rank = rank
        self.service = service
        self.fits = fits
        self.shares: Shares[CompiledRoute[S]] | None = None
        """The routes of the same match, if the requests are divided by weight."""
        self.access = Access(actions) if actions.allow or actions.deny else None
        self.guarded = bool(self.access or route.blocked)
        """Whether pylb may refuse a request."""
        edit_path = PathEdit(actions)
        self.edit_path = edit_path if edit_path else None
        self.edit_response = ResponseEdit(actions.response_fields) if actions.response_fields else None
        response = actions.respond
        self._answer = Answer(response.status, text=response.text) if response else Answer(503)
        self._location = _location(route)
        self._edits = {
            prefix.encode(): RequestEdit(actions.fields, actions.host, prefix)
            for prefix in (actions.strip if actions.fields or actions.host or actions.strip else ())
        }
        """By stripped beginning of the path: the changes to the fields of the request."""
        if actions.fields or actions.host:
            self._edits[b""] = RequestEdit(actions.fields, actions.host)
        self.tests = compile_tests(route.match)
        if self._location is not None:
            self.tests += (self._leads_elsewhere,)
        self.plain = route.has_pool and not (
            self.tests or self.access or edit_path or self._edits or self.edit_response
        )
        """Whether requests are forwarded as they are."""

    def meets(self, request: Request, client: ClientInfo) -> bool:
        """Whether a request meets all matchers."""
        return all(test(request, client) for test in self.tests)

    def edit_request(self, stripped: bytes) -> RequestEdit | None:
        """Return the changes to the fields of a request; None if there are none.

        Args:
            stripped: what was stripped from its path.
        """
        edit = self._edits.get(stripped)
        if edit is None and stripped:  # By an expression; the others are compiled.
            actions = self.route.actions
            edit = RequestEdit(actions.fields, actions.host, stripped.decode("latin-1"))
        return edit

    def answer(self, request: Request, path: bytes, stripped: bytes) -> Answer:
        """Return the response of pylb, of a route that answers requests itself.

        Raises:
            ValueError: the request lacks what the response needs.
        """
        if self._location is not None:
            return self._location(request, path, stripped)
        return self._answer

    def _leads_elsewhere(self, request: Request, client: ClientInfo) -> bool:
        """Whether the redirect leads to another URL; else it is a loop, which fabio breaks as well."""
        if self._location is None:
            return False
        stripped = b""
        scheme = b"https" if is_secure(request, client) else b"http"
        try:
            path = normalise(request.target.partition(b"?")[0])
            if self.edit_path is not None:
                path, stripped = self.edit_path(path)
            return self._location.leads_elsewhere(request, path, stripped, scheme)
        except ValueError:
            return True  # The answer is 400.


def _location(route: Route) -> Location | PatternLocation | None:
    redirect = route.actions.redirect
    if redirect is None:
        return None
    return PatternLocation(redirect, route.match.scheme) if redirect.pattern else Location(redirect)
