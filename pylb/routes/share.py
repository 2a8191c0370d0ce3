"""The distribution of the requests of one match among several routes, by weight."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from hashlib import blake2b
from itertools import accumulate
from typing import Generic, TypeVar

from pylb.http1 import grammar
from pylb.http1.headers import ClientInfo
from pylb.http1.parser import Request

T = TypeVar("T")

_COOKIES = grammar.fields(rb"cookie")


class Shares(Generic[T]):
    """The routes of one match.

    The order is kept, and the weights are cumulated: if one weight changes, only requests near the changed
    boundary get another route.

    Args:
        members: the routes, in the order of declaration.
        weights: of each; at least one is above 0.
        by: `client`, `cookie:NAME`, or empty for at random.
        draw: returns a random number from 0 to 1, without 1.
    """

    __slots__ = ("_bounds", "_by", "_draw", "members")

    def __init__(
        self, members: Sequence[T], weights: Sequence[float], by: str, draw: Callable[[], float]
    ) -> None:
        total = sum(weights)
        self._bounds = [sum_ / total for sum_ in accumulate(weights)]
        self._bounds[-1] = 1.0
        self.members = tuple(members)
        self._draw = draw
        self._by = by.encode()

    def choose(self, request: Request, client: ClientInfo) -> T:
        """Return the route of a request. Without the cookie, the client's address decides."""
        if not self._by:
            return self._at(self._draw())
        _, _, name = self._by.partition(b":")
        key = (name and cookie(request, name)) or client.identify(request).client.encode()
        digest = blake2b(key, digest_size=6).digest()
        return self._at(int.from_bytes(digest, "big") / (1 << 48))

    def _at(self, point: float) -> T:
        return self.members[min(bisect_right(self._bounds, point), len(self.members) - 1)]


def cookie(request: Request, name: bytes) -> bytes:
    """Return the value of a cookie; empty if the request has none of this name (RFC 6265 section 4.2)."""
    for _, value in _COOKIES.findall(request.lines):
        for pair in value.split(b";"):
            found, _, text = pair.partition(b"=")
            if found.strip(b"\t ") == name:
                return bytes(text.strip(b"\t "))
    return b""
