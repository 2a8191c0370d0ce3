"""What an instance declares by pylb's own keys: `lb_route`, and `lb_*` settings of its service.

The keys stand in Consul's metadata, in tags (`lb_route=shop.example.com/cart strip=/cart`) and in labels of
containers; registrator makes them of `SERVICE_LB_ROUTE`. A service has several routes as `lb_route_2`, or as
several tags.

"""

from __future__ import annotations

import re
from dataclasses import dataclass

from pylb.model import Endpoint

ROUTE = re.compile(r"lb_route(?:_[a-z0-9_]{1,32})?")
SETTING = re.compile(r"lb_([a-z][a-z0-9_]{0,63})")

OF_INSTANCE = frozenset(
    [
        "lb_weight",
        "lb_weight_warning",
        "lb_maxconn",
        "lb_max_conn",
        "lb_priority",
        "lb_probe",
        "lb_protocol",
        "lb_slowstart",
        "lb_slow_start",
        "lb_tls",
        "lb_tls_name",
        "lb_zone",
    ]
)
"""Settings that concern the instance that has them, not its service."""

MOST_ROUTES = 32
"""Routes of one instance."""


@dataclass(frozen=True, slots=True)
class Declared:
    """The keys of one instance, in the order of their names; values as they are written."""

    routes: tuple[str, ...] = ()
    settings: tuple[tuple[str, str], ...] = ()
    """By the name of the option: `response-timeout`."""
    surplus: int = 0
    """Routes beyond the limit, which are ignored."""


def read_declared(endpoint: Endpoint) -> Declared:
    """Return what an instance declares. Metadata takes precedence over tags with the same setting."""
    routes: list[str] = []
    settings: dict[str, str] = {}
    tags = (tag.partition("=") for tag in endpoint.tags if "=" in tag)
    pairs = [*((key, value) for key, _, value in tags), *sorted(endpoint.meta)]
    for written, value in pairs:
        key = written.strip().lower()
        if ROUTE.fullmatch(key):
            routes.append(value.strip())
        elif key not in OF_INSTANCE and (setting := SETTING.fullmatch(key)):
            settings[setting[1].replace("_", "-")] = value.strip()
    routes = list(dict.fromkeys(routes))
    return Declared(
        tuple(routes[:MOST_ROUTES]), tuple(sorted(settings.items())), max(len(routes) - MOST_ROUTES, 0)
    )
