"""The routes that take effect: ordered, grouped by match, and without the younger of equal ones.

This file compiles nothing, so that a process that only checks options needs neither pools nor HTTP.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby

from pylb.routes.order import order
from pylb.routes.route import Problem, Route
from pylb.routes.text import service_text


def resolve(routes: Sequence[Route]) -> tuple[list[tuple[Route, ...]], tuple[Problem, ...]]:
    """Order routes, group those that share a match by weight, and exclude the younger of equal ones.

    Args:
        routes: the declarations, the oldest first.

    Returns:
        The groups in the order of precedence, and what is wrong with them.
    """
    problems: list[Problem] = []
    groups: dict[object, list[Route]] = {}
    for route in _without_second_catch_all(routes, problems):
        group = groups.setdefault((route.match, route.priority), [])
        if group and (route.share is None or group[0].share is None):
            problems.append(_problem(route, f"is for the same requests as {service_text(group[0])!r}"))
        else:
            group.append(route)
    ordered = sorted(((order(group[0]), group) for group in groups.values()), key=lambda each: each[0])
    problems += _ambiguities((key, group[0]) for key, group in ordered if group[0].priority is None)
    return [tuple(group) for _, group in ordered if _receives(group, problems)], tuple(problems)


def _receives(group: list[Route], problems: list[Problem]) -> bool:
    """Whether a weight of a group is above 0."""
    if group[0].share is None or any(route.share and route.share.weight for route in group):
        return True
    problems.append(_problem(group[0], "has weight 0, and no other route has its match"))
    return False


def _without_second_catch_all(routes: Sequence[Route], problems: list[Problem]) -> Iterator[Route]:
    """Yield the routes, but no imported rule that would take all requests of an own route."""
    catch_all = next((r for r in routes if is_catch_all(r) and r.priority is None), None)
    for route in routes:
        if route.priority is not None and catch_all is not None and is_catch_all(route):
            problems.append(_problem(route, f"is for all requests, as is {service_text(catch_all)!r}"))
        else:
            yield route


def is_catch_all(route: Route) -> bool:
    """Whether a route takes all requests."""
    return route.match.catches_all and not route.match.matchers


def _ambiguities(routes: Iterable[tuple[tuple[int, ...], Route]]) -> Iterator[Problem]:
    """Yield a problem for each route that another one precedes only because it is older."""
    for _, group in groupby(routes, key=lambda each: each[0]):
        earlier: dict[str, list[Route]] = {}
        for _, route in group:
            rivals = earlier.setdefault(route.match.place, [])
            rival = next((each for each in rivals if each.match.overlaps(route.match)), None)
            if rival is not None:
                text = f"is behind {service_text(rival)!r}, which is older and as specific"
                yield replace(_problem(route, text), excluded=False)
            rivals.append(route)


def _problem(route: Route, text: str) -> Problem:
    return Problem(f"{service_text(route)!r} {text}", route.service, route.source)
