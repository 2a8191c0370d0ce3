"""Strategies for declarations: every field of every value has any value of its type."""

from __future__ import annotations

from dataclasses import fields

from hypothesis import strategies as st

from pylb.routes.actions import Actions, FieldAction, Redirect, Response
from pylb.routes.declaration import ServiceDeclaration
from pylb.routes.match import Host, Match
from pylb.routes.route import Route, Share


def whole(kind, **parts):
    """Values of a dataclass whose fields all vary, also those with a default."""
    return st.builds(kind, **{field.name: parts.get(field.name, ...) for field in fields(kind)})


def some(values):
    return st.lists(values, max_size=2).map(tuple)


def maybe(values):
    return st.none() | values


numbers = st.integers(-(1 << 63), (1 << 63) - 1)
"""What JSON can carry; parsers of routes accept no larger ones."""

hosts = whole(Host)
matches = whole(Match, host=hosts, excludes=some(whole(Match, host=hosts, excludes=st.just(()))))
changes = some(whole(FieldAction))
actions = whole(
    Actions,
    fields=changes,
    response_fields=changes,
    redirect=maybe(whole(Redirect, status=numbers, other_status=numbers)),
    respond=maybe(whole(Response, status=numbers)),
)
shares = whole(Share, weight=st.floats(0, 1000))
routes = whole(Route, match=matches, actions=actions, share=maybe(shares), priority=maybe(numbers))
declarations = whole(ServiceDeclaration, routes=some(routes), order=st.tuples(numbers, numbers))
