"""Translates middlewares of Traefik to actions of pylb. What is not known raises ValueError with the reason.

The caller blocks the route then: a middleware may protect it. A few middlewares have no effect on what is
served, such as compression; they are ignored with a reason.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from pylb.routes.actions import (
    FieldAction,
    Redirect,
    Verb,
    read_field_action,
    read_networks,
    read_upstream_host,
)
from pylb.routes.match import PathKind, read_path
from pylb.routes.quote import quoted
from pylb.routes.traefik.labels import Keys, flag, items

MOST_MIDDLEWARES = 32
"""Middlewares of one router, those of chains included."""

IGNORED = {
    "compress": "pylb does not compress",
    "contenttype": "pylb does not detect content types",
    "grpcweb": "pylb does not serve gRPC",
    "errors": "pylb does not replace error pages",
    "retry": "the retries of pylb apply",
}
"""Types without an effect on who receives what, and why pylb ignores them."""

_HOST_REDIRECT = re.compile(
    r"\^(?:https\?|\(\?:http\|https\)|\(http\|https\)|http|https)://((?:[0-9A-Za-z_-]|\\\.)+)/\(\.\*\)\$?"
)
"""The one form of `redirectregex` that is translated: from one host to another."""
_HOST_REPLACEMENT = re.compile(r"(https?)://([0-9A-Za-z_.-]+(?::[0-9]{1,5})?)/\$(?:\{(\d)\}|(\d))")


@dataclass(frozen=True, slots=True)
class Step:
    """One change. Exactly one field is set."""

    allow: tuple[str, ...] = ()
    strip: tuple[str, ...] = ()
    prepend: str = ""
    host: str = ""
    fields: tuple[FieldAction, ...] = ()
    response_fields: tuple[FieldAction, ...] = ()
    redirect: Redirect | None = None
    from_scheme: str = ""
    """Of a redirect: the scheme of the requests that are redirected; empty for all."""
    from_host: str = ""
    """Of a redirect: the Host of the requests that are redirected; empty for all."""
    ignored: str = ""
    """Why the middleware has no effect."""


def steps(names: list[str], defined: Mapping[str, Keys]) -> Iterator[Step]:
    """Yield the changes of middlewares, in their order.

    Args:
        names: of the router.
        defined: the middlewares of the instance.

    Raises:
        ValueError: one is not defined, not known, or has an option that is not known.
    """
    yield from _steps(names, defined, [])


def _steps(names: list[str], defined: Mapping[str, Keys], seen: list[str]) -> Iterator[Step]:
    for name in names:
        seen.append(name)
        if len(seen) > MOST_MIDDLEWARES:
            raise ValueError(f"more than {MOST_MIDDLEWARES} middlewares")
        keys = defined.get(name.lower())
        if keys is None:
            raise ValueError(f"the middleware {quoted(name)} is not defined by the labels of the instance")
        kinds = {key.partition(".")[0] for key in keys}
        if len(kinds) != 1:
            raise ValueError(f"the middleware {quoted(name)} has several types, expected one")
        kind = kinds.pop()
        options = {key.partition(".")[2]: value for key, value in keys.items()}
        if kind == "chain":
            yield from _steps(items(options.get("middlewares", "")), defined, seen)
        elif kind in IGNORED:
            yield Step(ignored=f"{name}: {IGNORED[kind]}")
        elif kind not in _KINDS:
            raise ValueError(f"the middleware {quoted(name)} has the type {quoted(kind)}, which pylb lacks")
        else:
            try:
                yield from _KINDS[kind](options)
            except ValueError as error:
                raise ValueError(f"the middleware {quoted(name)}: {error}") from None


def _known(options: Keys, *names: str) -> None:
    for option in options:
        if option not in names:
            raise ValueError(f"unknown option {quoted(option)}")


def _strip(options: Keys) -> Iterator[Step]:
    _known(options, "prefixes", "forceslash")
    prefixes = items(options.get("prefixes", ""))
    if not prefixes:
        raise ValueError("no prefixes")
    yield Step(strip=tuple(read_path(prefix, PathKind.PREFIX) for prefix in prefixes))


def _add(options: Keys) -> Iterator[Step]:
    _known(options, "prefix")
    prefix = options.get("prefix", "")
    path = read_path(prefix if prefix.startswith("/") else f"/{prefix}")
    if not path:
        raise ValueError("no prefix")
    yield Step(prepend=path)


_SECURITY = {
    "framedeny": ("X-Frame-Options", "DENY"),
    "contenttypenosniff": ("X-Content-Type-Options", "nosniff"),
    "browserxssfilter": ("X-XSS-Protection", "1; mode=block"),
    "customframeoptionsvalue": ("X-Frame-Options", ""),
    "contentsecuritypolicy": ("Content-Security-Policy", ""),
    "referrerpolicy": ("Referrer-Policy", ""),
    "permissionspolicy": ("Permissions-Policy", ""),
}
"""Options of `headers`: the field, and its value; if that is empty, the option has it."""


def _headers(options: Keys) -> Iterator[Step]:
    if not options:
        raise ValueError("no options")
    for option, value in options.items():
        group, _, name = option.partition(".")
        if group == "customrequestheaders" and name == "host" and value:
            yield Step(host=read_upstream_host(value))
        elif group == "customrequestheaders" and name:
            yield Step(fields=(_field(name, value, response=False),))
        elif group == "customresponseheaders" and name:
            yield Step(response_fields=(_field(name, value, response=True),))
        elif option in _SECURITY:
            field, fixed = _SECURITY[option]
            if not fixed or flag(value):
                yield Step(response_fields=(_field(field, fixed or value, response=True),))
        else:
            raise ValueError(f"unknown option {quoted(option)}")


def _field(name: str, value: str, *, response: bool) -> FieldAction:
    """An empty value removes the field."""
    name = "-".join(part.capitalize() for part in name.split("-"))
    verb = Verb.SET if value else Verb.REMOVE
    return read_field_action(verb, name, value or None, response=response)


def _redirect_scheme(options: Keys) -> Iterator[Step]:
    _known(options, "scheme", "port", "permanent")
    scheme, port = options.get("scheme", ""), options.get("port", "")
    if scheme not in {"http", "https"} or (port and not re.fullmatch(r"[0-9]{1,5}", port)):
        raise ValueError("expected the scheme http or https, and a port")
    suffix = "" if port in {"", "443" if scheme == "https" else "80"} else f":{port}"
    yield Step(
        redirect=_redirect(f"{scheme}://$hostname{suffix}$path", options),
        from_scheme="http" if scheme == "https" else "https",
    )


def _redirect_regex(options: Keys) -> Iterator[Step]:
    _known(options, "regex", "replacement", "permanent")
    source = _HOST_REDIRECT.fullmatch(options.get("regex", ""))
    target = _HOST_REPLACEMENT.fullmatch(options.get("replacement", ""))
    group = options.get("regex", "").replace("(?:", "").count("(")
    if source is None or target is None or int(target[3] or target[4]) != group:
        raise ValueError(r"only ^https?://www\.a\.example/(.*) to https://a.example/$1 is implemented")
    if "https?" not in source[0] and "|" not in source[0]:
        scheme = source[0].removeprefix("^").partition(":")[0]
    else:
        scheme = ""
    yield Step(
        redirect=_redirect(f"{target[1]}://{target[2]}$path", options),
        from_scheme=scheme,
        from_host=source[1].replace("\\", "").lower(),
    )


def _redirect(url: str, options: Keys) -> Redirect:
    permanent = "permanent" in options and flag(options["permanent"])
    return Redirect(301, url, 308) if permanent else Redirect(302, url, 307)


def _allow(options: Keys) -> Iterator[Step]:
    _known(options, "sourcerange")
    networks = items(options.get("sourcerange", ""))
    if not networks:
        raise ValueError("no source range")
    yield Step(allow=read_networks(",".join(networks)))


_KINDS: dict[str, Callable[[Keys], Iterator[Step]]] = {
    "stripprefix": _strip,
    "addprefix": _add,
    "headers": _headers,
    "redirectscheme": _redirect_scheme,
    "redirectregex": _redirect_regex,
    "ipallowlist": _allow,
    "ipwhitelist": _allow,
}
