"""Translates the labels of an instance to routes: each clause of each router's rule becomes one.

A redirect in the middle of the middlewares becomes a separate route before the rest: it has the conditions
of the redirect, and the changes that precede it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice

from pylb.routes.actions import Actions, FieldAction, Response
from pylb.routes.match import Match
from pylb.routes.quote import quoted
from pylb.routes.route import Route
from pylb.routes.traefik.labels import PREFIX, Keys, Labelled, flag, items, local_name, read_labels
from pylb.routes.traefik.middlewares import Step, steps
from pylb.routes.traefik.rule import Clause, intersection, read_rule

MOST_ROUTERS = 64
"""Routers of one instance."""

MOST_ROUTES = 512
"""Routes of one instance. The clauses of rules and the redirects among middlewares multiply."""

MAX_PRIORITY = 2**63 - 1001

ENTRY_POINTS = {"web": "", "http": "", "websecure": "https", "https": "https"}
"""The scheme of requests, by entry point. Behind a proxy that terminates TLS, `web` has both."""

BOTH = ("http", "https")

NO_BACKEND = "noop@internal"
"""The service of routers that only redirect."""

_PRIORITY = re.compile(r"-?[0-9]{1,19}")

_IGNORED_ROUTER = re.compile(r"observability\..+|tls\.certresolver|tls\.domains.*")
_IGNORED_SERVICE = {
    "loadbalancer.responseforwarding.flushinterval": "pylb forwards bytes as they arrive",
    "loadbalancer.strategy": "the policy of pylb applies",
    "loadbalancer.sticky": "sessions are not sticky",
}


@dataclass(frozen=True, slots=True)
class Imported:
    """What the labels of an instance declare."""

    routes: tuple[Route, ...] = ()
    problems: tuple[str, ...] = ()
    """One sentence for each declaration that has another effect than in Traefik."""


def read_tags(service: str, tags: Iterable[str], prefix: str = PREFIX, source: str = "") -> Imported:
    """Translate the tags or labels of an instance.

    Args:
        service: the service of the instance.
        tags: each `traefik.KEY=VALUE`.
        prefix: what keys begin with, without the dot.
        source: what problems name.
    """
    labels = read_labels(tags, prefix)
    problems = [*labels.problems]
    try:
        if labels.enable and not flag(labels.enable):
            return Imported(problems=tuple(problems))
    except ValueError as error:
        return Imported(problems=(*problems, f"enable: {error}"))
    problems += [
        f"{key} is not served: pylb serves HTTP only" for key in labels.others if key[:4] in {"tcp.", "udp."}
    ]
    if labels.enable and not labels.routers:
        problems.append("enable=true without a router: pylb has no default rule")
    routes: list[Route] = []
    for number, (name, keys) in enumerate(sorted(labels.routers.items())):
        if number == MOST_ROUTERS:
            problems.append(f"more than {MOST_ROUTERS} routers, the others are ignored")
            break
        try:
            router = _Router(service, name, keys, labels, source)
            made = list(islice(router.routes(), MOST_ROUTES + 1 - len(routes)))
        except ValueError as error:
            problems.append(f"router {quoted(name)}: {error}")
            continue
        problems += router.problems
        if len(routes) + len(made) > MOST_ROUTES:
            problems.append(
                f"more than {MOST_ROUTES} routes, router {quoted(name)} and the others are ignored"
            )
            break
        routes += made
    return Imported(tuple(routes), tuple(problems))


class _Router:
    """One router, while its routes are made."""

    def __init__(self, service: str, name: str, keys: Keys, labels: Labelled, source: str) -> None:
        self._service, self._name, self._keys, self._labels = service, name, keys, labels
        self._source = source
        self.problems: list[str] = []

    def routes(self) -> Iterator[Route]:
        """Yield the routes of the router.

        Raises:
            ValueError: it has no valid rule, so the requests that it is for are not known.
        """
        rule = self._keys.get("rule", "")
        if not rule:
            raise ValueError("no rule, and pylb has no default rule")
        clauses = read_rule(rule)
        if not clauses:
            self._problem("no request can meet the rule")
        for clause in clauses:
            yield from self._of_clause(clause, rule)

    def _of_clause(self, clause: Clause, rule: str) -> Iterator[Route]:
        blocked = clause.blocked or self._labels.blocked
        route = Route(self._service, clause.match, priority=len(rule.encode()), source=self._source)
        made: list[Route] = []
        try:
            route = replace(route, priority=self._priority(rule), match=self._restricted(clause.match))
            made = list(self._with_steps(route))
        except ValueError as error:
            blocked = blocked or str(error)
        if not blocked:
            yield from made
            return
        self._problem(blocked)
        if route.match.catches_all:
            return  # One instance must not answer the requests of all services.
        yield replace(route, blocked=f"router {self._name}: {blocked}")

    def _problem(self, text: str) -> None:
        sentence = f"router {quoted(self._name)}: {text}"
        if sentence not in self.problems:
            self.problems.append(sentence)

    def _priority(self, rule: str) -> int:
        text = self._keys.get("priority", "0")
        if not _PRIORITY.fullmatch(text) or int(text) > MAX_PRIORITY:
            raise ValueError(f"priority {quoted(text)}, expected a whole number")
        return int(text) or len(rule.encode())

    def _restricted(self, match: Match) -> Match:
        """Apply the keys of the router that decide about the requests it is for."""
        scheme = ""
        for key, value in self._keys.items():
            if key == "entrypoints":
                points = items(value)
                unknown = [point for point in points if point not in ENTRY_POINTS]
                if unknown:
                    raise ValueError(
                        f"the entry point {quoted(unknown[0])} is unknown, expected web or websecure"
                    )
                schemes = {ENTRY_POINTS[point] for point in points}
                scheme = scheme or (schemes.pop() if len(schemes) == 1 else "")
            elif key == "tls" or _IGNORED_ROUTER.fullmatch(key):
                scheme = "https" if key.startswith("tls") and value.lower() != "false" else scheme
            elif key not in {"rule", "priority", "service", "middlewares"}:
                raise ValueError(f"unknown key {quoted(key)}")
        return replace(match, scheme=scheme)

    def _with_steps(self, route: Route) -> Iterator[Route]:
        """Yield the routes for redirects, and the one for the rest."""
        actions = Actions(by_characters=True)
        secure: tuple[FieldAction, ...] = ()
        for step in steps(items(self._keys.get("middlewares", "")), self._labels.middlewares):
            if step.ignored:
                self._problem(f"the middleware {step.ignored}")
            elif step.redirect is not None:
                redirected = replace(route, actions=replace(actions, redirect=step.redirect))
                schemes = BOTH if step.redirect.pattern else (step.from_scheme,)
                yield from _of_schemes(redirected, schemes)
            else:
                secure += step.secure_fields
                actions = _after(actions, step)
        served = self._to_service(replace(route, actions=actions))
        if secure:
            fields = served.actions.response_fields + secure
            yield from _of_schemes(
                replace(served, actions=replace(served.actions, response_fields=fields)), ("https",)
            )
        if not (secure and served.match.scheme == "https"):
            yield served

    def _to_service(self, route: Route) -> Route:
        services = self._labels.services
        name = local_name(self._keys.get("service", ""))
        if name.lower() == NO_BACKEND:
            return replace(route, actions=replace(route.actions, respond=Response(418)))
        if not name and len(services) > 1:
            raise ValueError("several services and none named, expected a service")
        if name and name.lower() not in services:
            raise ValueError(f"the service {quoted(name)} is not defined by the labels of the instance")
        keys = services.get(name.lower()) if name else next(iter(services.values()), {})
        return self._with_service(route, keys or {})

    def _with_service(self, route: Route, keys: Keys) -> Route:
        """Apply the keys of the service."""
        settings: list[tuple[str, str]] = []
        for key, value in keys.items():
            if key in _SETTINGS:
                settings.append((_SETTINGS[key], value))
            elif key == "loadbalancer.server.scheme" and value in _SCHEMES:
                settings += _SCHEMES[value]
            elif key == "loadbalancer.passhostheader":
                if not flag(value):
                    route = replace(route, actions=replace(route.actions, host=route.actions.host or "dst"))
            elif ignored := next((why for name, why in _IGNORED_SERVICE.items() if key.startswith(name)), ""):
                self._problem(f"{key} is ignored: {ignored}")
            else:
                raise ValueError(f"the key {quoted(key)} of the service is unknown or not implemented")
        return replace(route, settings=tuple(settings))


_SCHEMES = {
    "http": [],
    "https": [("upstream-tls", "on")],
    "h2c": [("upstream-protocol", "h2"), ("upstream-tls", "off")],
}
"""The settings for each scheme of a server."""

_SETTINGS = {
    "loadbalancer.server.port": "port",
    "loadbalancer.server.weight": "weight",
    "loadbalancer.healthcheck.path": "probe-http",
    "loadbalancer.healthcheck.interval": "probe-interval",
    "loadbalancer.healthcheck.timeout": "probe-timeout",
}
"""Keys of services that become settings."""


def _of_schemes(route: Route, schemes: tuple[str, ...]) -> Iterator[Route]:
    """Yield the route for each of the schemes that its match permits."""
    for scheme in schemes:
        match = intersection(route.match, Match(scheme=scheme))
        if match is not None:
            yield replace(route, match=match)


def _after(actions: Actions, step: Step) -> Actions:
    """Add a change. pylb makes changes in a fixed order; another order of middlewares is refused."""
    if step.allow and actions.allow:
        raise ValueError("two allow lists, expected one")
    if step.strip and (actions.strip or actions.replace or actions.prepend):
        raise ValueError("a prefix is stripped after another change of the path, expected it first")
    if step.replace and (actions.replace or actions.prepend):
        raise ValueError("a path is replaced after another change of the path, expected it first")
    if step.prepend and actions.prepend:
        raise ValueError("two prefixes are added, expected one")
    return replace(
        actions,
        allow=actions.allow + step.allow,
        strip=actions.strip + step.strip,
        replace=actions.replace or step.replace,
        prepend=actions.prepend or step.prepend,
        host=step.host or actions.host,
        fields=actions.fields + step.fields,
        response_fields=actions.response_fields + step.response_fields,
    )
