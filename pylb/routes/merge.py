"""Merges what several sources declare of one service.

The service has the routes of all of them, and of a setting that several of them give, the value of the first.
Settings of a route that concern the pool hold for the whole service, since all its routes share the pool.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from pylb.config.settings import canonical, of_pool, same_value
from pylb.routes.declaration import ServiceDeclaration, Setting
from pylb.routes.route import Problem

Check = Callable[[tuple[Setting, ...]], object]
"""Raises ValueError if settings are invalid, or contradict each other."""


def merge(
    parts: Sequence[ServiceDeclaration], check: Check
) -> tuple[ServiceDeclaration, tuple[Problem, ...]]:
    """Return the declarations of one service as one, without the settings that are invalid, and the problems.

    Args:
        parts: at least one declaration, in the order of their sources.
        check: checks settings that apply together.
    """
    first = parts[0]
    settings = _Settings(check, first.service)
    for part in parts:
        settings.add(part.with_origins())
    routes = []
    for route in (route for part in parts for route in part.routes):
        settings.add((each, route.source) for each in route.settings if of_pool(each[0]))
        of_requests = tuple(each for each in route.settings if not of_pool(each[0]))
        routes.append(replace(route, settings=settings.valid(of_requests, route.source)))
    merged = ServiceDeclaration(
        first.service,
        tuple(routes),
        tuple(settings.values.items()),
        next((part.backends for part in parts if part.backends), ""),
        first.order,
        tuple(settings.origins.values()),
    )
    return merged, tuple(settings.problems)


class _Settings:
    """The settings of one service while its declarations are merged; the first value of each name counts.

    Args:
        check: see `merge`.
        service: the name of the service.
    """

    def __init__(self, check: Check, service: str) -> None:
        self.values: dict[str, str] = {}
        self.origins: dict[str, str] = {}
        """Where each value is declared."""
        self.problems: list[Problem] = []
        self._check = check
        self._service = service

    def add(self, settings: Iterable[tuple[Setting, str]]) -> None:
        """Add settings of the service, without those that are invalid or contradict earlier ones.

        Args:
            settings: each with the place where it is declared.
        """
        for (given, value), source in settings:
            name = canonical(given)
            known = self.values.get(name)
            if known is None:
                if self.valid(((name, value),), source):
                    self.values[name], self.origins[name] = value, source
            elif not same_value(name, known, value):
                text = f"setting {name}: got {value!r}, but the service has {known!r} already"
                self.problems.append(Problem(text, self._service, source))

    def valid(self, settings: tuple[Setting, ...], source: str) -> tuple[Setting, ...]:
        """Return those of some settings that are valid together with those of the service."""
        accepted: list[Setting] = []
        for setting in settings:
            try:
                self._check((*self.values.items(), *accepted, setting))
            except ValueError as error:
                self.problems.append(Problem(f"setting {error}", self._service, source))
            else:
                accepted.append(setting)
        return tuple(accepted)
