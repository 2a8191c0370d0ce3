"""Services with tags of fabio and labels of Traefik, each with one instance, as a table and problems."""

from __future__ import annotations

from pylb.routes.fabio import read_tag
from pylb.routes.table import RouteTable
from pylb.routes.traefik.routers import read_tags
from tests.routes.heads import compiled


def imported(services: dict[str, list[str]]) -> tuple[RouteTable, list[str]]:
    """The table of all services, the oldest first, and the sentences about what is not served as declared."""
    routes, problems = [], []
    for service, tags in services.items():
        for tag in tags:
            try:
                tagged = read_tag(tag, service, datacenter="dc1")
            except ValueError as error:
                problems.append(str(error))
                continue
            if tagged is not None:
                routes += tagged.routes
                problems += [*tagged.ignored, *filter(None, (route.blocked for route in tagged.routes))]
        labels = read_tags(service, tags)
        routes += labels.routes
        problems += labels.problems
    return compiled(routes), problems
