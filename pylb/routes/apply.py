"""Compiled actions: a changed path, a response of pylb, and whether a client may use the route."""

from __future__ import annotations

import re
from typing import NamedTuple

from pylb.http1.address import of_node
from pylb.http1.headers import ClientInfo
from pylb.http1.parser import Request
from pylb.policy.networks import Networks
from pylb.routes.actions import Actions, Redirect
from pylb.routes.expression import Template, at_start, compile_expression
from pylb.routes.path import normalise

_VARIABLE = re.compile(rb"(/?\$path|\$hostname|\$host)")

_PORT = re.compile(rb":[0-9]*\Z")

_SLASHES = re.compile(rb"/{2,}")


class Answer(NamedTuple):
    """A response of pylb."""

    status: int
    location: bytes = b""
    """Of a redirect: the URL."""
    text: str = ""


class PathEdit:
    """Changes a path: strips, rewrites, replaces, prepends.

    Args:
        actions: of the route.
    """

    __slots__ = ("_by_characters", "_prepend", "_replace", "_rewrite", "_strip")

    def __init__(self, actions: Actions) -> None:
        self._strip = tuple(prefix.encode() for prefix in actions.strip)
        self._by_characters = actions.by_characters
        self._rewrite = tuple(path.encode() for path in actions.rewrite) if actions.rewrite else None
        self._replace = _Replacement(*actions.replace) if actions.replace else None
        self._prepend = actions.prepend.encode()

    def __bool__(self) -> bool:
        return bool(self._strip or self._rewrite or self._replace or self._prepend)

    def __call__(self, path: bytes) -> tuple[bytes, bytes]:
        """Return the changed path, and the beginning that was stripped from it, if any.

        Raises:
            ValueError: the result is not in normal form; a backend could read it as another path.
        """
        if not path.startswith(b"/"):  # OPTIONS *
            return path, b""
        stripped = b""
        for prefix in self._strip:
            if path.startswith(prefix) and (self._by_characters or path[len(prefix) :][:1] in b"/"):
                stripped, path = prefix, path[len(prefix) :]
                if not path.startswith(b"/"):
                    path = b"/" + path
                break
        if self._rewrite is not None:
            old, new = self._rewrite
            if path.startswith(old) and path[len(old) :][:1] in b"/":
                path = new + path[len(old) :] or b"/"
        if self._replace is not None:
            path, stripped = self._replace.in_path(path, stripped)
        path = self._prepend + path
        if normalise(path) != path:
            raise ValueError("a path that is not in normal form after its beginning is stripped")
        return path, stripped


class _Replacement:
    """What replaces the matches of an expression.

    Args:
        pattern: the expression.
        template: what replaces each match.
    """

    __slots__ = ("_expression", "_strips", "_template")

    def __init__(self, pattern: str, template: str) -> None:
        self._expression = compile_expression(pattern, at_start=at_start(pattern))
        self._template = Template(template, self._expression.groups)
        self._strips = not template

    def __call__(self, text: bytes) -> bytes | None:
        """Return the text with its matches replaced; None if there are none."""
        return self._expression.replace(text, self._template)

    def in_path(self, path: bytes, stripped: bytes) -> tuple[bytes, bytes]:
        """Return a path with its matches replaced, and what was stripped: with an empty template, the match.

        The path begins with one slash, and has no empty segment.
        """
        found = self(path)
        if found is None:
            return path, stripped
        if self._strips:
            stripped = path[: len(path) - len(found)]
        return _SLASHES.sub(b"/", b"/" + found), stripped


class PatternLocation:
    """The URL of a redirect by an expression (Traefik's `redirectregex`).

    Args:
        redirect: the redirect of the route.
        scheme: of the requests that the route takes.
    """

    __slots__ = ("_other", "_replacement", "_scheme", "_status")

    def __init__(self, redirect: Redirect, scheme: str) -> None:
        self._replacement = _Replacement(redirect.pattern, redirect.url)
        self._scheme = (scheme or "http").encode()
        self._status, self._other = redirect.status, redirect.other_status or redirect.status

    def __call__(self, request: Request, path: bytes, _stripped: bytes) -> Answer:
        """Return the redirect; see `Location`. To the URL itself if the expression does not match it."""
        url = self._url(request, path)
        location = self._replacement(url) or url
        return Answer(self._status if request.method in (b"GET", b"HEAD") else self._other, location)

    def leads_elsewhere(self, request: Request, path: bytes, _stripped: bytes, _scheme: bytes) -> bool:
        """Whether the expression matches, and the redirect changes the URL."""
        url = self._url(request, path)
        return self._replacement(url) not in (None, b"", url)

    def _url(self, request: Request, path: bytes) -> bytes:
        _, mark, query = request.target.partition(b"?")
        path = path.replace(b"\\", b"%5C")  # Browsers read /\ as //, which begins another host.
        return b"".join((self._scheme, b"://", request.host, path, mark, query))


class Location:
    """The URL of a redirect.

    Args:
        redirect: the redirect of the route.
    """

    __slots__ = ("_adds_query", "_names_host", "_other", "_parts", "_status")

    def __init__(self, redirect: Redirect) -> None:
        url = redirect.url.encode()
        self._parts = _VARIABLE.split(url)
        self._adds_query = b"$path" in url and b"?" not in url
        self._names_host = b"$host" in url
        self._status, self._other = redirect.status, redirect.other_status or redirect.status

    def __call__(self, request: Request, path: bytes, stripped: bytes) -> Answer:
        """Return the redirect.

        Args:
            request: of the client.
            path: after the changes of the route.
            stripped: what was stripped from the path.

        Raises:
            ValueError: the request names no host, and the URL needs it (HTTP/1.0).
        """
        if self._names_host and not request.host:
            raise ValueError("no Host field, which the redirect needs")
        original, mark, query = request.target.partition(b"?")
        if not path.startswith(b"/") or (stripped and original == stripped):
            path = b""
        path = path.replace(b"\\", b"%5C")  # Browsers read /\ as //, which begins another host.
        name = _PORT.sub(b"", request.host)
        values = {b"/$path": path, b"$path": path, b"$host": request.host, b"$hostname": name}
        url = b"".join(values.get(part, part) for part in self._parts) or b"/"
        if self._adds_query and mark:
            url += mark + query
        return Answer(self._status if request.method in (b"GET", b"HEAD") else self._other, url)

    def leads_elsewhere(self, request: Request, path: bytes, stripped: bytes, scheme: bytes) -> bool:
        """Whether the redirect leads to another URL than that of the request.

        Args:
            request: of the client.
            path: after the changes of the route.
            stripped: what was stripped from the path.
            scheme: that the client used.
        """
        url = self(request, path, stripped).location
        return url not in (request.target, b"%b://%b%b" % (scheme, request.host, request.target))


class Access:
    """Which clients may use a route.

    Args:
        actions: of the route.
    """

    __slots__ = ("_allow", "_deny", "_every_hop")

    def __init__(self, actions: Actions) -> None:
        self._allow = Networks(actions.allow)
        self._deny = Networks(actions.deny)
        self._every_hop = actions.every_hop

    def __bool__(self) -> bool:
        return bool(self._allow or self._deny)

    def permits(self, request: Request, client: ClientInfo) -> bool:
        """Whether the client may use the route; `deny` precedes `allow`."""
        addresses = self._hops(request, client) if self._every_hop else [client.identify(request).client]
        if any(address in self._deny for address in addresses):
            return False
        return not self._allow or all(address in self._allow for address in addresses)

    def _hops(self, request: Request, client: ClientInfo) -> list[str]:
        """The peer and each address of X-Forwarded-For, whether the peer is trusted or not (fabio)."""
        chain = request.fields.get(b"x-forwarded-for", b"").decode("latin-1").split(",")
        return [client.address, *filter(None, (of_node(node.strip("\t ")) for node in chain))]
