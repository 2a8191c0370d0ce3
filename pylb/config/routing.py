"""Options for routes that come and go at run time: files, Consul's KV store, and the catalog."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pylb.config.kinds import FLAG, or_off, text
from pylb.config.option import Group, option, repeated

CONSUL_PREFIX = "consul:"
"""The beginning of a source of routes in Consul's KV store."""


@dataclass(frozen=True, kw_only=True)
class RouteOptions(Group):
    """Sources of routes in addition to --service. All of them are followed at run time."""

    title: ClassVar = "Routes"

    routes: tuple[str, ...] = repeated(
        text("FILE|consul:PREFIX", "the path of a TOML file, or consul: and the prefix of keys in Consul"),
        None,
        "File of services and routes (TOML), or `consul:PREFIX` for keys in Consul's KV store. Changes are "
        "applied without a reload; a file with an error is not applied.",
    )
    catalog: bool = option(
        FLAG,
        "off",
        "Serve every service of the registry whose instances declare a route: `lb_route`, fabio's urlprefix- "
        "tags, or Traefik's labels.",
    )
    catalog_allow: tuple[str, ...] = repeated(
        text("SERVICE=HOST/PATH,...", "a service and places, such as shop=shop.example.com/cart"),
        None,
        "Hosts and paths that a service of the catalog may claim; `*` stands for any service or host. By "
        "default, any service may claim any.",
    )
    tag_prefix: str | None = option(
        or_off(text("PREFIX", "the beginning of tags")),
        "urlprefix-",
        "Beginning of fabio's tags; `off` ignores them.",
    )
    serve_unprotected: tuple[str, ...] = repeated(
        text("SERVICE", "the name of a service, or *"),
        None,
        "Service whose routes are served although they name a protection that pylb lacks, such as "
        "authentication; `*` for all. By default, such routes are answered with 503.",
    )
