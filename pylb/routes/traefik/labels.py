"""Reads the labels of one instance into a tree: routers, middlewares and services, with their keys.

The limits are small: labels come from anybody who can register an instance.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from pylb.routes.quote import quoted

PREFIX = "traefik"

PROVIDERS = frozenset(["docker", "swarm", "consulcatalog", "nomad", "ecs"])
"""Providers of Traefik whose routers, middlewares and services are labels of instances."""

MOST_LABELS = 256
"""Labels of one instance."""

LONGEST_LABEL = 4096
"""Characters of a label."""

Keys = dict[str, str]
"""Values by the rest of the key, in lower case: `loadbalancer.server.port`."""


@dataclass(slots=True)
class Labelled:
    """The labels of an instance."""

    enable: str = ""
    """The value of `traefik.enable`; empty if it is not set."""
    blocked: str = ""
    """Why no router of the instance can be served."""
    routers: dict[str, Keys] = field(default_factory=dict)
    middlewares: dict[str, Keys] = field(default_factory=dict)
    services: dict[str, Keys] = field(default_factory=dict)
    others: list[str] = field(default_factory=list)
    """Other keys of Traefik: TCP, UDP, the settings of its providers."""
    problems: list[str] = field(default_factory=list)


def read_labels(tags: Iterable[str], prefix: str = PREFIX) -> Labelled:
    """Sort the labels of an instance. The last of several with one key counts, as in Traefik.

    Args:
        tags: `traefik.http.routers.r.rule=...`; others are ignored.
        prefix: what keys begin with, without the dot.
    """
    read = Labelled()
    values: dict[str, str] = {}
    for tag in tags:
        key, equals, value = tag.partition("=")
        if not equals or not key.lower().startswith(f"{prefix}."):
            continue
        if len(tag) > LONGEST_LABEL or not tag.isprintable():
            read.problems.append(f"{quoted(tag)}: expected at most {LONGEST_LABEL} printable characters")
        elif len(values) >= MOST_LABELS:
            read.problems.append(f"more than {MOST_LABELS} labels, the others are ignored")
            break
        else:
            values[key.lower().removeprefix(f"{prefix}.")] = value
    parts = {"routers": read.routers, "middlewares": read.middlewares, "services": read.services}
    for key, value in values.items():
        protocol, _, rest = key.partition(".")
        kind, _, named = rest.partition(".")
        name, _, option = named.partition(".")
        if key == "enable":
            read.enable = value
        elif key == "consulcatalog.connect" and value.lower() not in {"", "0", "f", "false"}:
            read.blocked = "pylb does not use Consul Connect"
        elif protocol == "http" and kind in parts and name and option:
            parts[kind].setdefault(name, {})[option] = value
        else:
            read.others.append(key)
    return read


def flag(value: str) -> bool:
    """Read a switch as Go's ParseBool does.

    Raises:
        ValueError: the text is no switch.
    """
    if value in {"1", "t", "T", "true", "TRUE", "True"}:
        return True
    if value in {"0", "f", "F", "false", "FALSE", "False"}:
        return False
    raise ValueError(f"{quoted(value)} is no switch, expected true or false")


def local_name(name: str) -> str:
    """Return a name of a middleware or service without a provider of labels: `auth@docker` is `auth`."""
    own, at, provider = name.rpartition("@")
    return own if at and provider.lower() in PROVIDERS else name


def items(value: str) -> list[str]:
    """Read a list, separated by commas."""
    return [item for part in value.split(",") if (item := part.strip())]
