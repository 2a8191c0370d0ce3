"""Translates fabio's tags, `urlprefix-HOST/PATH key=value ...`, to routes (fabio 1.7.3).

A tag has three outcomes: a route; a blocked route, if the place is known and an option cannot be honoured, so
that no less specific route receives requests that the option may protect; or a ValueError with the reason, if
the place is not known. fabio drops its whole table for one such tag; here it concerns that tag alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_network
from typing import Any

from pylb.routes.actions import MOST_NETWORKS, Redirect, read_redirect, read_upstream_host
from pylb.routes.match import (
    Host,
    Match,
    PathKind,
    read_host,
    read_host_glob,
    read_path,
)
from pylb.routes.quote import quoted
from pylb.routes.route import Route

PREFIX = "urlprefix-"

LONGEST_TAG = 1024
"""Characters of a tag."""

MOST_ALTERNATIVES = 16
"""Hosts that the braces of one tag may stand for."""

_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w*))")
_BRACES = re.compile(r"\{([^{}]*)\}")
_WEIGHT = re.compile(r"[+-]?(?:[0-9]{1,9}(?:\.[0-9]{0,9})?|\.[0-9]{1,9})")
_PROTOCOLS = {
    "http": (),
    "https": (("upstream-tls", "on"),),
    "grpc": (("upstream-protocol", "h2"),),
    "grpcs": (("upstream-protocol", "h2"), ("upstream-tls", "on")),
}
"""The settings for each value of `proto`."""

_REGISTER = re.compile(r"register|pxyproto|grpcservername")


@dataclass(frozen=True, slots=True)
class Tagged:
    """What one tag declares."""

    routes: tuple[Route, ...]
    """One for each host that braces stand for."""
    weight: float = 0.0
    """The share of its instance among the traffic of the route; 0 for an equal part of the rest."""
    ignored: tuple[str, ...] = ()
    """One phrase for each option that has no effect here."""


def read_tag(
    tag: str,
    service: str,
    *,
    prefix: str = PREFIX,
    datacenter: str = "",
    kind: PathKind = PathKind.PREFIX,
    source: str = "",
) -> Tagged | None:
    """Translate a tag; None if it does not begin with the prefix.

    Args:
        tag: of an instance.
        service: the service of the instance.
        prefix: fabio's `registry.consul.tagprefix`.
        datacenter: the value of `$DC`.
        kind: fabio's `proxy.matcher`: characters, or globs.
        source: what problems name.

    Raises:
        ValueError: the tag declares no place; the message has the reason.
    """
    text = tag.strip(" ")
    if not text.startswith(prefix):
        return None
    if len(text) > LONGEST_TAG or not text.isprintable():
        raise ValueError(f"{quoted(tag)}: expected at most {LONGEST_TAG} printable characters")
    place, _, words = text[len(prefix) :].strip(" ").partition(" ")
    options = {key: value for key, _, value in (word.partition("=") for word in words.split())}
    try:
        matches = _matches(_expanded(place, datacenter), kind)
        if options.get("proto") == "tcp":
            raise ValueError("proto=tcp is TCP, expected HTTP")
    except ValueError as error:
        raise ValueError(f"{quoted(tag)}: {error}") from None
    routes = [Route(service, match, source=source) for match in matches]
    return _with_options(routes, options)


def _expanded(place: str, datacenter: str) -> str:
    """Replace `$DC`. fabio replaces each other variable by nothing, so that `$host/` takes all requests."""

    def value(variable: re.Match[str]) -> str:
        if (variable[1] or variable[2]) != "DC" or not datacenter:
            raise ValueError(f"unknown variable {variable[0]}, expected none but $DC")
        return datacenter

    return _VARIABLE.sub(value, place)


def _matches(place: str, kind: PathKind) -> list[Match]:
    host, slash, path = place.partition("/")
    if not place:
        raise ValueError("no host and no path, expected one like shop.example.com/cart")
    if host.startswith(":"):
        raise ValueError("a port is TCP, expected a host or a path")
    path = read_path("/" + path, kind) if slash or host else ""
    return [_match(each, path, kind) for each in _alternatives(host.lower())]


def _alternatives(host: str) -> list[str]:
    """Replace braces: `{a,b}.x` is `a.x` and `b.x`."""
    hosts = [host]
    while any("{" in each for each in hosts):
        braces = _BRACES.search(hosts[0])
        if braces is None or len(hosts) * (braces[1].count(",") + 1) > MOST_ALTERNATIVES:
            raise ValueError(f"{quoted(host)} is no host, expected braces for up to {MOST_ALTERNATIVES}")
        hosts = [
            each[: found.start()] + part + each[found.end() :]
            for each in hosts
            if (found := _BRACES.search(each))
            for part in found[1].split(",")
        ]
    return hosts


def _match(host: str, path: str, kind: PathKind) -> Match:
    """Return the match of one host. Ports 80 and 443 stand for a scheme; any other is compared."""
    match = Match(path=path, kind=kind, default_port=True)
    if host in ("", "*"):
        return replace(match, default_port=False)
    name, colon, port = host.rpartition(":")
    if not colon or host.endswith("]"):
        return replace(match, host=_host(host))
    if port in {"80", "443"}:
        return replace(match, host=_host(name), scheme="http" if port == "80" else "https")
    if not port.isdigit() or "*" in name or "?" in name:
        raise ValueError(f"{quoted(host)} is no host, expected one like shop.example.com")
    return replace(match, host=_host(name), headers=(("host", host),), default_port=False)


def _host(text: str) -> Host:
    if text.startswith("*.") and not re.search(r"[*?]", text[2:]):
        return read_host(text)
    return read_host_glob(text) if re.search(r"[*?]", text) else read_host(text)


class _Options:
    """The routes of a tag, while its options are read."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self.routes = [
            replace(route, actions=replace(route.actions, by_characters=True, every_hop=True))
            for route in routes
        ]
        self.weight = 0.0
        self.ignored: list[str] = []

    def acts(self, **changes: Any) -> None:
        self.routes = [replace(route, actions=replace(route.actions, **changes)) for route in self.routes]

    def needs(self, setting: str, value: str) -> None:
        self.routes = [replace(route, settings=(*route.settings, (setting, value))) for route in self.routes]

    def proto(self, value: str) -> None:
        if value not in _PROTOCOLS:
            raise ValueError("expected proto=http, https, grpc or grpcs")
        for setting, of_it in _PROTOCOLS[value]:
            self.needs(setting, of_it)

    def weigh(self, value: str) -> None:
        if not _WEIGHT.fullmatch(value):
            raise ValueError("expected a number")
        self.weight = max(float(value), 0.0)

    def ignore(self, value: str, reason: str) -> None:
        self.ignored.append(f"{value}: {reason}")


def _with_options(routes: Sequence[Route], options: dict[str, str]) -> Tagged:
    """Apply the options. One that cannot be honoured blocks the routes."""
    read = _Options(routes)
    blocked = ""
    for key, value in options.items():
        word = f"{key}={value}" if value else key
        if _REGISTER.fullmatch(key):
            read.ignore(word, "concerns fabio itself, or TCP and gRPC")
            continue
        try:
            if key not in _OPTIONS:
                raise ValueError("unknown option")
            _OPTIONS[key](read, value)
        except ValueError as error:
            blocked = blocked or f"{quoted(word)}: {error}"
    if "allow" in options and "deny" in options:
        blocked = blocked or "allow and deny, expected one of them"
    if blocked:
        read.routes = [replace(route, blocked=blocked) for route in read.routes]
    return Tagged(tuple(read.routes), read.weight, tuple(read.ignored))


def _networks(value: str) -> tuple[str, ...]:
    items = value.split(",")
    if len(items) > MOST_NETWORKS or not all(item.startswith("ip:") for item in items):
        raise ValueError(f"expected up to {MOST_NETWORKS} networks, each as ip:10.0.0.0/8")
    try:
        return tuple(str(ip_network(item[3:], strict=False)) for item in items)
    except ValueError:
        raise ValueError("expected networks such as ip:10.0.0.0/8") from None


def _redirect(value: str) -> Redirect:
    if value.count(",") != 1:
        raise ValueError("expected one comma, between status and URL (registrator needs it as \\,)")
    return read_redirect(value)


def _refuse(reason: str) -> Callable[[_Options, str], None]:
    def refuse(_read: _Options, _value: str) -> None:
        raise ValueError(reason)

    return refuse


def _verify(read: _Options, value: str) -> None:
    if value == "true":
        read.needs("upstream-tls-verify", "off")


_OPTIONS: dict[str, Callable[[_Options, str], None]] = {
    "proto": _Options.proto,
    "strip": lambda read, value: read.acts(strip=(read_path(value, PathKind.PREFIX),)),
    "prepend": lambda read, value: read.acts(prepend=read_path(value)),
    "host": lambda read, value: read.acts(host=read_upstream_host(value)),
    "redirect": lambda read, value: read.acts(redirect=_redirect(value)),
    "allow": lambda read, value: read.acts(allow=_networks(value)),
    "deny": lambda read, value: read.acts(deny=_networks(value)),
    "weight": _Options.weigh,
    "tlsskipverify": _verify,
    "auth": _refuse("pylb has no authentication"),
}


def shares(weights: Sequence[float]) -> list[float]:
    """Return the share of each instance, as fabio divides the traffic of one route.

    Args:
        weights: of each instance; 0 for an equal part of what the others leave.
    """
    fixed = sum(weights)
    open_ = sum(not weight for weight in weights)
    if not open_ or fixed > 1:
        return [weight / fixed for weight in weights]
    rest = (1 - fixed) / open_
    return [weight or rest for weight in weights]
