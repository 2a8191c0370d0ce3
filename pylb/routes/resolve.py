"""The routes that take effect: ordered, grouped by match, and without the younger of equal ones.

This file compiles nothing, so that a process that only checks options needs neither pools nor HTTP.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import groupby
from typing import Generic, NamedTuple, TypeVar

from pylb.routes.declaration import Age
from pylb.routes.order import order
from pylb.routes.route import Problem, Route
from pylb.routes.text import service_text

S = TypeVar("S")

AgedProblem = tuple[Age, Problem]
"""A problem, and the age of the route that it is about."""


class Entry(NamedTuple, Generic[S]):
    """A declared route in a table."""

    age: Age
    route: Route
    service: S | None
    """What its requests use; None if pylb answers them, or in a process that serves none."""


def resolve(
    entries: Iterable[Entry[S]],
) -> tuple[list[tuple[Entry[S], ...]], list[AgedProblem]]:
    """Order routes, group those that share a match by weight, and exclude the younger of equal ones.

    Args:
        entries: the declared routes.

    Returns:
        The groups in the order of precedence, and what is wrong with them.
    """
    problems: list[AgedProblem] = []
    groups: dict[object, list[Entry[S]]] = {}
    for entry in sorted(entries, key=lambda each: each.age):
        route = entry.route
        group = groups.setdefault((route.match, route.priority), [])
        if group and (route.share is None or group[0].route.share is None):
            text = f"is for the same requests as {service_text(group[0].route)!r}"
            problems.append((entry.age, problem_of(route, text)))
        else:
            group.append(entry)
    ordered = sorted(((order(group[0].route), group) for group in groups.values()), key=lambda each: each[0])
    own = ((key, group[0]) for key, group in ordered if group[0].route.priority is None)
    problems += _ambiguities(own)
    return [tuple(group) for _, group in ordered if _receives(group, problems)], problems


def is_catch_all(route: Route) -> bool:
    """Whether a route takes all requests."""
    return route.match.catches_all and not route.match.matchers


def _receives(group: list[Entry[S]], problems: list[AgedProblem]) -> bool:
    """Whether a weight of a group is above 0."""
    shares = [entry.route.share for entry in group]
    if shares[0] is None or any(share and share.weight for share in shares):
        return True
    text = "has weight 0, and no other route has its match"
    problems.append((group[0].age, problem_of(group[0].route, text)))
    return False


def _ambiguities(entries: Iterable[tuple[tuple[int, ...], Entry[S]]]) -> Iterator[AgedProblem]:
    """Yield a problem for each route that another one precedes only because it is older."""
    for _, group in groupby(entries, key=lambda each: each[0]):
        earlier: dict[str, list[Route]] = {}
        for _, entry in group:
            route = entry.route
            rivals = earlier.setdefault(route.match.place, [])
            rival = next((each for each in rivals if each.match.overlaps(route.match)), None)
            if rival is not None:
                text = f"is behind {service_text(rival)!r}, which is older and as specific"
                yield entry.age, replace(problem_of(route, text), excluded=False)
            rivals.append(route)


def problem_of(route: Route, text: str) -> Problem:
    """Return the problem of a route that other routes cause.

    Args:
        route: the route.
        text: what is wrong with it, without its subject.
    """
    return Problem(f"{service_text(route)!r} {text}", route.service, route.source)
