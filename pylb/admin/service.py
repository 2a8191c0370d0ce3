"""One service as the API shows it: its routes, and its effective settings, each with where it is declared.

A setting of a service or a route takes precedence over the option of pylb with the same name, and the
override of an operator takes precedence over both.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pylb.admin.views import View
from pylb.config import Options
from pylb.config.kinds import DURATION
from pylb.config.option import Option, in_force
from pylb.config.settings import OF_REQUESTS, SETTABLE, canonical, of_pool
from pylb.policy.overrides import Action
from pylb.routes.declaration import ServiceDeclaration
from pylb.routes.route import Route
from pylb.routes.text import service_text

Values = dict[str, tuple[str, str]]
"""Values with where each is declared, by the name of the option."""

DEFAULT = "default"
"""Where a value is declared that nobody has set."""

_DEFAULTS = in_force(Options())
_BY_NAME = {option.flag[2:]: option for option in SETTABLE}


def service(view: View, name: str) -> dict[str, Any] | None:
    """Return a service with its routes and effective settings; None if no source declares it."""
    declaration = view.declared(name)
    if declaration is None:
        return None
    values = _of_service(declaration) | dict(_overridden(view, name))
    return {
        "service": name,
        "backends": declaration.backends,
        "settings": [_row(view, option, values) for option in SETTABLE],
        "routes": [_route(view, route) for route in declaration.routes],
    }


def of_request(view: View, route: Route) -> list[dict[str, str]]:
    """Return the effective settings of the requests of a route."""
    declaration = view.declared(route.service)
    values = (_of_service(declaration) if declaration else {}) | _of_route(route)
    return [_row(view, option, values) for option in SETTABLE if option.flag[2:] in OF_REQUESTS]


def setting(view: View, service: str, name: str) -> str:
    """Return the effective value of a setting of a service, given its name with hyphens."""
    declaration = view.declared(service)
    values = _of_service(declaration) if declaration else {}
    return _row(view, _BY_NAME[name], values)["value"]


def _route(view: View, route: Route) -> dict[str, Any]:
    values = _of_route(route)
    own = [_row(view, option, values) for option in SETTABLE if option.flag[2:] in values]
    return {"route": service_text(route), "source": route.source, "settings": own}


def _of_service(declaration: ServiceDeclaration) -> Values:
    """Return the settings of a service: its own, and those of the pool that its routes have."""
    values: Values = {}
    for (name, value), origin in declaration.with_origins():
        values[canonical(name)] = value, origin
    for route in declaration.routes:
        for name, value in route.settings:
            if of_pool(name):
                values.setdefault(canonical(name), (value, route.source))
    return values


def _of_route(route: Route) -> Values:
    """Return the settings of requests that only a route has."""
    return {canonical(name): (value, route.source) for name, value in route.settings if not of_pool(name)}


def _overridden(view: View, name: str) -> Iterator[tuple[str, tuple[str, str]]]:
    """Yield the settings that an operator has overridden."""
    for each in view.overrides.values():
        if each.service == name and each.action is Action.POLICY:
            yield "policy", (each.policy, f"override {each.id}")


def _row(view: View, option: Option, values: Values) -> dict[str, str]:
    """Return a setting: that of the service or route, or else pylb's option or its default."""
    name = option.flag[2:]
    if name in values:
        value, origin = values[name]
    else:
        value = view.config.get(option.flag, _DEFAULTS[option.flag])
        if value == _DEFAULTS[option.flag]:
            value, origin = option.default or "", DEFAULT
        else:
            value, origin = _typed(option, value), option.flag
    return {"name": name, "value": value, "origin": origin}


def _typed(option: Option, value: str) -> str:
    """Return the value of an option as a user types it."""
    is_duration = value and option.kind.metavar == DURATION.metavar
    return f"{float(value):g}s" if is_duration else value
