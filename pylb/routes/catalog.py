"""The routes that the services of a catalog declare: by `lb_route`, by fabio's tags, and by Traefik's labels.

An older service holds a match that a newer one declares too. Of fabio's tags with one match, all services
share the requests, as in fabio, where blue/green deployments rely on it. A declaration that is wrong concerns
itself alone.

Rule: a change of one service costs the reading of that service, and of its shares only.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, replace

from pylb.config.settings import comparable
from pylb.model import Endpoint
from pylb.routes import fabio
from pylb.routes.agreement import agree
from pylb.routes.bounds import Bound, permitted
from pylb.routes.declaration import ServiceDeclaration, Setting
from pylb.routes.declared import Declared, read_declared
from pylb.routes.grammar import parse_route
from pylb.routes.match import Match, PathKind
from pylb.routes.quote import quoted
from pylb.routes.route import Problem, Route, Share
from pylb.routes.text import service_text
from pylb.routes.traefik.labels import PREFIX
from pylb.routes.traefik.routers import Imported, read_tags

RANK = 3
"""The rank of the catalog among the sources of routes; see `ServiceDeclaration.order`."""

OF_INSTANCE = frozenset(["port", "weight"])
"""Settings by Traefik's labels that concern an instance, and not its service."""

MOST_TAGS = 64
"""Tags of fabio on one instance."""

LONGEST_PROBLEM = 400
"""Characters of a problem's text, which may quote a tag."""


@dataclass(frozen=True, slots=True)
class Rules:
    """How declarations are read."""

    bounds: tuple[Bound, ...] = ()
    unprotected: frozenset[str] = frozenset()
    """Services whose routes are served without the protection that they name; `*` for all."""
    tag_prefix: str = fabio.PREFIX
    """Of fabio's tags; empty to read none."""
    label_prefix: str = PREFIX
    """Of Traefik's labels; empty to read none."""
    datacenter: str = ""
    path_kind: PathKind = PathKind.PREFIX
    """How fabio's tags compare paths (`proxy.matcher`)."""
    denied: Callable[[str, str], str] = lambda _name, _value: ""
    """Why instances may not give a setting, by name and value; empty if they may."""
    unknown: Callable[[str], str] = lambda _: ""
    """Why pylb has no setting of this name; empty if it has. It blocks its routes, since it may protect."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What one service declares."""

    declaration: ServiceDeclaration
    problems: tuple[Problem, ...] = ()
    weights: tuple[tuple[int, tuple[float, ...]], ...] = ()
    """Of each route from a tag of fabio: its index, and the weights of the service's instances."""


class Catalog:
    """What all services declare together.

    Args:
        rules: how declarations are read.
    """

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._readings: dict[str, Reading] = {}
        self._pools: dict[Match, dict[str, tuple[float, ...]]] = {}
        """By match of fabio's tags and service: the weights of its instances."""

    def read(self, service: str, endpoints: Sequence[Endpoint]) -> set[str]:
        """Read what the instances of a service declare; return the services whose declaration may change.

        Args:
            service: the name of the service.
            endpoints: all its instances, whatever their state; none removes it.
        """
        former = self._readings.pop(service, None)
        changed = self._withdraw(service, former) if former else set()
        if endpoints:
            reading = _Reader(service, endpoints, self._rules).read()
            if reading.declaration.routes or reading.problems:
                self._readings[service] = reading
                changed |= self._enter(service, reading)
        return changed | {service}

    def declaration(self, service: str) -> ServiceDeclaration | None:
        """Return what a service declares, with its shares; None if it declares no route."""
        reading = self._readings.get(service)
        if reading is None or not reading.declaration.routes:
            return None
        routes = list(reading.declaration.routes)
        for index, _ in reading.weights:
            if share := self._share(service, routes[index].match):
                routes[index] = replace(routes[index], share=share)
        return replace(reading.declaration, routes=tuple(routes))

    def problems(self, service: str) -> tuple[Problem, ...]:
        """Return what is wrong with the declarations of a service."""
        reading = self._readings.get(service)
        return reading.problems if reading else ()

    def _enter(self, service: str, reading: Reading) -> set[str]:
        others: set[str] = set()
        for index, weights in reading.weights:
            pool = self._pools.setdefault(reading.declaration.routes[index].match, {})
            pool[service] = weights
            others |= pool.keys()
        return others

    def _withdraw(self, service: str, reading: Reading) -> set[str]:
        others: set[str] = set()
        for index, _ in reading.weights:
            match = reading.declaration.routes[index].match
            pool = self._pools.get(match, {})
            pool.pop(service, None)
            others |= pool.keys()
            if not pool:
                self._pools.pop(match, None)
        return others

    def _share(self, service: str, match: Match) -> Share | None:
        """Return the share of a service among those with the same tag of fabio; None if it has all of it."""
        pool = self._pools[match]
        if len(pool) < 2:
            return None
        names = sorted(pool)
        every = iter(fabio.shares([weight for name in names for weight in pool[name]]))
        sums = {name: sum(next(every) for _ in pool[name]) for name in names}
        return Share(round(sums[service], 9))


class _Reader:
    """One service while it is read."""

    def __init__(self, service: str, endpoints: Sequence[Endpoint], rules: Rules) -> None:
        self._service = service
        self._endpoints = endpoints
        self._rules = rules
        self._routes: list[Route] = []
        self._settings: dict[str, str] = {}
        self._blocked = ""
        """Why no route of the service can be served; empty if they can."""
        self._unprotected = bool(rules.unprotected & {"*", service})
        self._problems: list[Problem] = []
        self._weights: list[tuple[int, tuple[float, ...]]] = []

    def read(self) -> Reading:
        """Read all kinds of declarations."""
        self._own()
        if self._rules.tag_prefix:
            self._fabio()
        if self._rules.label_prefix:
            self._traefik()
        age = min(endpoint.created for endpoint in self._endpoints)
        settings = tuple(sorted(self._settings.items()))
        declaration = ServiceDeclaration(
            self._service,
            tuple(self._routes),
            settings,
            order=(RANK, age),
            origins=tuple(f"lb_{name.replace('-', '_')} of the catalog" for name, _ in settings),
        )
        return Reading(declaration, tuple(self._problems), tuple(self._weights))

    def _problem(self, text: str, source: str, *, excluded: bool = True) -> None:
        text = text if len(text) <= LONGEST_PROBLEM else f"{text[:LONGEST_PROBLEM]}..."
        self._problems.append(Problem(text, self._service, source, excluded))

    def _add(self, route: Route) -> bool:
        rules = self._rules
        if not permitted(rules.bounds, self._service, route.match):
            self._problem(f"{service_text(route)!r} is outside of what --catalog-allow permits", route.source)
            return False
        settings, unknown = self._known(route.settings)
        blocked = "" if self._unprotected else route.blocked or unknown or self._blocked
        if blocked:
            self._problem(f"{route.match.place} is answered with 503: {blocked}", route.source)
        route = replace(route, blocked=blocked, settings=self._permitted(settings, route.source))
        self._routes.append(route)
        return True

    def _known(self, settings: tuple[Setting, ...]) -> tuple[tuple[Setting, ...], str]:
        """Return the settings that pylb has, and why it lacks one of the others; all, if none may protect."""
        if self._unprotected:
            return settings, ""
        lacking = {name: reason for name, _ in settings if (reason := self._rules.unknown(name))}
        return tuple(each for each in settings if each[0] not in lacking), next(iter(lacking.values()), "")

    def _permitted(self, settings: tuple[Setting, ...], source: str) -> tuple[Setting, ...]:
        """Return the settings that instances may give."""
        permitted = []
        for name, value in settings:
            if reason := self._rules.denied(name, value):
                self._problem(reason, source)
            else:
                permitted.append((name, value))
        return tuple(permitted)

    def _differing(self, others: Sequence[Endpoint], what: str) -> None:
        if others:
            names = ", ".join(quoted(each.id or each.authority) for each in others[:3])
            differ = f"{len(others)} of {len(self._endpoints)} instances declare other {what}"
            self._problem(f"{differ} than the majority: {names}", what, excluded=False)

    def _own(self) -> None:
        agreed, others = agree(self._endpoints, read_declared, _meaning)
        declared = agreed or Declared()
        self._differing(others, "lb_route")
        settings, unknown = self._known(declared.settings)
        self._blocked = unknown and f"lb_: {unknown}"
        for text in declared.routes:
            try:
                self._add(parse_route(self._service, text, "lb_route"))
            except ValueError as error:
                self._problem(f"lb_route: {error}", "lb_route")
        if declared.surplus:
            self._problem(f"{declared.surplus} routes beyond the limit are ignored", "lb_route")
        self._settings = dict(self._permitted(settings, "lb_route"))

    def _fabio(self) -> None:
        read = _fabio_reader(self._service, self._rules)
        declared, others = agree(self._endpoints, lambda endpoint: tuple(tag for tag, _ in read(endpoint)))
        self._differing(others, "tags")
        agreeing = [endpoint for endpoint in self._endpoints if endpoint not in others]
        weights = [[weight for _, weight in read(endpoint)] for endpoint in agreeing]
        for place, tag in enumerate(declared or ()):
            if isinstance(tag, str):
                self._problem(tag, "tag")
                continue
            for text in tag.ignored:
                self._problem(f"{text} is ignored", "tag", excluded=False)
            for route in tag.routes:
                if self._add(route):
                    self._weights.append((len(self._routes) - 1, tuple(each[place] for each in weights)))

    def _traefik(self) -> None:
        def read(endpoint: Endpoint) -> Imported:
            labels = [*endpoint.tags, *(f"{key}={value}" for key, value in endpoint.meta)]
            return read_tags(self._service, labels, self._rules.label_prefix, "label")

        declared, others = agree(self._endpoints, read)
        self._differing(others, "labels")
        for text in (declared or Imported()).problems:
            self._problem(text, "label")
        for route in (declared or Imported()).routes:
            self._add(replace(route, settings=tuple(self._without_instance(route.settings))))

    def _without_instance(self, settings: tuple[Setting, ...]) -> Iterator[Setting]:
        """Yield settings without those of an instance, which its registration has."""
        for name, value in settings:
            if name not in OF_INSTANCE:
                yield name, value
            elif name == "port" and any(value != str(endpoint.port) for endpoint in self._endpoints):
                ports = ", ".join(sorted({str(endpoint.port) for endpoint in self._endpoints})[:3])
                self._problem(f"port {quoted(value)} is ignored: registered are {ports}", "label")
            elif name == "weight" and value != "1":
                self._problem(f"weight {quoted(value)} is ignored, expected lb_weight", "label")


def _meaning(declared: Declared) -> Hashable:
    """Return what an instance declares, with the values of its settings in place of their texts."""
    return declared.routes, tuple(map(comparable, declared.settings)), declared.surplus


def _fabio_reader(
    service: str, rules: Rules
) -> Callable[[Endpoint], tuple[tuple[fabio.Tagged | str, float], ...]]:
    """Return a function from an instance to its tags of fabio, or the reasons, each with a weight."""

    def read(endpoint: Endpoint) -> Iterator[tuple[fabio.Tagged | str, float]]:
        tags = [tag for tag in dict.fromkeys(endpoint.tags) if tag.strip(" ").startswith(rules.tag_prefix)]
        for tag in tags[:MOST_TAGS]:
            try:
                tagged = fabio.read_tag(
                    tag,
                    service,
                    prefix=rules.tag_prefix,
                    datacenter=rules.datacenter,
                    kind=rules.path_kind,
                    source="tag",
                )
            except ValueError as error:
                yield f"tag {error}", 0.0
                continue
            if tagged is not None:
                yield replace(tagged, weight=0.0), tagged.weight
        if len(tags) > MOST_TAGS:
            yield f"{len(tags)} tags, expected at most {MOST_TAGS}; the others are ignored", 0.0

    return lambda endpoint: tuple(read(endpoint))
