"""Sticky sessions: the requests of a session go to the backend that it began on.

The client carries a token, which is a keyed hash of the backend's name: it reveals no address, cannot be made
without the key, and every worker and node with the same key reads it. No table of sessions exists.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections import Counter
from collections.abc import Collection
from copy import deepcopy
from hashlib import blake2b
from typing import Any

from pylb.policy.backend import Backend, State
from pylb.policy.balance.balancer import Balancer

NEW, MOVED = "session_new", "session_moved"
"""Events: a request without a session, and one whose backend is gone, failed or unknown."""

SIZE = 16
"""Bytes of a token before it is written as 22 characters."""


def token_of(secret: bytes, service: str, backend: str) -> bytes:
    """Return the token of a backend.

    Args:
        secret: the key, at most 64 bytes.
        service: the service that it belongs to.
        backend: its name.
    """
    digest = blake2b(f"{service}\0{backend}".encode(), key=secret, digest_size=SIZE)
    return urlsafe_b64encode(digest.digest()).rstrip(b"=")


class SessionTable:
    """The backends of one pool by token.

    Args:
        service: the service of the pool.
        secret: the key of tokens.
        events: counts sessions that begin or move.
    """

    def __init__(self, service: str, secret: bytes, events: Counter[str]) -> None:
        self._service, self._secret, self._events = service, secret, events
        self._backends: dict[bytes, Backend] = {}

    def update(self, members: Collection[Backend]) -> None:
        """Follow a change of the pool's members."""
        self._backends = {token_of(self._secret, self._service, each.name): each for each in members}

    def backend(self, token: bytes | None) -> Backend | None:
        """Return the backend of a session if it can serve it. One of weight 0 keeps its sessions."""
        found = None if token is None else self._backends.get(token)
        return found if found is not None and found.state is State.UP else None

    def pick(self, token: bytes | None, plain: Balancer) -> Backend:
        """Return the backend of a session; the choice of the plain balancer if it has none."""
        found = self.backend(token)
        if found is None:
            self._events[NEW if token is None else MOVED] += 1
            return plain.pick()
        return found


class Sticky:
    """Picks by token.

    Args:
        sessions: the backends by token.
        plain: picks the backend of a new session.
    """

    __slots__ = ("_plain", "_sessions", "reads_load")

    def __init__(self, sessions: SessionTable, plain: Balancer) -> None:
        self._sessions = sessions
        self._plain = plain
        self.reads_load = plain.reads_load

    def pick(self, key: bytes | None = None) -> Backend:
        """Return the backend of the session whose token is the key, or the one of a new session."""
        return self._sessions.pick(key, self._plain)

    def __deepcopy__(self, memo: dict[int, Any]) -> Sticky:
        """Copy what a pick changes: the plain balancer."""
        return Sticky(self._sessions, deepcopy(self._plain, memo))
