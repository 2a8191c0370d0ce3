"""Translates middlewares of Traefik to actions of pylb. What is not known raises ValueError with the reason.

The caller blocks the route then: a middleware may protect it. A few middlewares have no effect on what is
served, such as compression; they are ignored with a reason.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from pylb.routes.actions import (
    FieldAction,
    Redirect,
    Verb,
    read_field_action,
    read_networks,
    read_upstream_host,
)
from pylb.routes.expression import Template, at_start, compile_expression
from pylb.routes.match import PathKind, read_path
from pylb.routes.quote import quoted
from pylb.routes.traefik.labels import Keys, flag, items, local_name

MOST_MIDDLEWARES = 32
"""Middlewares of one router, those of chains included."""

IGNORED = {
    "compress": "pylb does not compress",
    "contenttype": "pylb does not detect content types",
    "grpcweb": "gRPC-Web is forwarded as it is",
    "errors": "pylb does not replace error pages",
    "retry": "the retries of pylb apply",
}
"""Types without an effect on who receives what, and why pylb ignores them."""

_VISIBLE = re.compile(r"[!-~]{1,1024}")


@dataclass(frozen=True, slots=True)
class Step:
    """One change. Exactly one field is set."""

    allow: tuple[str, ...] = ()
    strip: tuple[str, ...] = ()
    prepend: str = ""
    host: str = ""
    fields: tuple[FieldAction, ...] = ()
    response_fields: tuple[FieldAction, ...] = ()
    secure_fields: tuple[FieldAction, ...] = ()
    """Changes to the fields of responses to requests with TLS."""
    replace: tuple[str, str] | None = None
    redirect: Redirect | None = None
    from_scheme: str = ""
    """Of a redirect: the scheme of the requests that are redirected; empty for all."""
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
        keys = defined.get(local_name(name).lower())
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
    "custombrowserxssvalue": ("X-XSS-Protection", ""),
    "customframeoptionsvalue": ("X-Frame-Options", ""),
    "contentsecuritypolicy": ("Content-Security-Policy", ""),
    "contentsecuritypolicyreportonly": ("Content-Security-Policy-Report-Only", ""),
    "referrerpolicy": ("Referrer-Policy", ""),
    "permissionspolicy": ("Permissions-Policy", ""),
}
"""Options of `headers`: the field, and its value; if that is empty, the option has it."""


_TRANSPORT = frozenset(["stsseconds", "stsincludesubdomains", "stspreload", "forcestsheader"])


def _headers(options: Keys) -> Iterator[Step]:
    if not options:
        raise ValueError("no options")
    yield from _transport_security(options)
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
        elif option.startswith("accesscontrol"):
            raise ValueError("pylb does not answer preflight requests (CORS)")
        elif option not in _TRANSPORT:
            raise ValueError(f"unknown option {quoted(option)}")


def _transport_security(options: Keys) -> Iterator[Step]:
    """Translate the `sts` options (HSTS). Without `forcestsheader`, responses without TLS lack the field."""
    age = options.get("stsseconds", "0")
    if not re.fullmatch(r"[0-9]{1,12}", age):
        raise ValueError(f"stsseconds={quoted(age)}, expected a number of seconds")
    subdomains, preload = _set(options, "stsincludesubdomains"), _set(options, "stspreload")
    force = _set(options, "forcestsheader")
    if not int(age):
        return
    value = f"max-age={int(age)}{'; includeSubDomains' * subdomains}{'; preload' * preload}"
    field = (_field("strict-transport-security", value, response=True),)
    yield Step(response_fields=field) if force else Step(secure_fields=field)


def _set(options: Keys, name: str) -> bool:
    return name in options and flag(options[name])


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
    regex, url = options.get("regex", ""), options.get("replacement", "")
    expression = compile_expression(regex, at_start=at_start(regex))
    Template(url, expression.groups)
    if not _VISIBLE.fullmatch(url):
        raise ValueError(f"{quoted(url)} is no URL, expected one like https://a.example/$1")
    yield Step(redirect=replace(_redirect(url, options), pattern=regex))


def _replace_path(options: Keys) -> Iterator[Step]:
    _known(options, "path")
    path = read_path(options.get("path", ""), PathKind.EXACT)
    yield Step(replace=(".*", path.replace("$", "$$")))


def _replace_path_regex(options: Keys) -> Iterator[Step]:
    _known(options, "regex", "replacement")
    yield _replacement(options.get("regex", ""), options.get("replacement", ""))


def _strip_regex(options: Keys) -> Iterator[Step]:
    """A match counts at the start of the path only, and Traefik removes the first that is found there."""
    _known(options, "regex")
    expressions = items(options.get("regex", ""))
    if len(expressions) != 1:
        raise ValueError("expected one expression")
    expression = expressions[0].removeprefix("^")
    yield _replacement(f"^(?:{expression})", "")


def _replacement(pattern: str, template: str) -> Step:
    Template(template, compile_expression(pattern).groups)
    if template and not _VISIBLE.fullmatch(template):
        raise ValueError(f"{quoted(template)} is no path, expected one like /$1")
    return Step(replace=(pattern, template))


def _redirect(url: str, options: Keys) -> Redirect:
    return Redirect(301, url, 308) if _set(options, "permanent") else Redirect(302, url, 307)


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
    "replacepath": _replace_path,
    "replacepathregex": _replace_path_regex,
    "stripprefixregex": _strip_regex,
    "ipallowlist": _allow,
    "ipwhitelist": _allow,
}
