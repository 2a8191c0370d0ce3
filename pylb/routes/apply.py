"""Compiled actions: a changed path, a response of pylb, and whether a client may use the route."""

from __future__ import annotations

import re
from typing import NamedTuple

from pylb.http1.address import of_node
from pylb.http1.headers import ClientInfo
from pylb.http1.parser import Request
from pylb.policy.networks import Networks
from pylb.routes.actions import Actions, Redirect
from pylb.routes.path import normalise

_VARIABLE = re.compile(rb"(/?\$path|\$hostname|\$host)")

_PORT = re.compile(rb":[0-9]*\Z")


class Answer(NamedTuple):
    """A response of pylb."""

    status: int
    location: bytes = b""
    """Of a redirect: the URL."""
    text: str = ""


class PathEdit:
    """Changes a path: strips, rewrites, prepends.

    Args:
        actions: of the route.
    """

    __slots__ = ("_by_characters", "_prepend", "_rewrite", "_strip")

    def __init__(self, actions: Actions) -> None:
        self._strip = tuple(prefix.encode() for prefix in actions.strip)
        self._by_characters = actions.by_characters
        self._rewrite = tuple(path.encode() for path in actions.rewrite) if actions.rewrite else None
        self._prepend = actions.prepend.encode()

    def __bool__(self) -> bool:
        return bool(self._strip or self._rewrite or self._prepend)

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
        path = self._prepend + path
        if normalise(path) != path:
            raise ValueError("a path that is not in normal form after its beginning is stripped")
        return path, stripped


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
