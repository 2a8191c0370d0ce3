"""Why a service has no instance at all: nobody registers it, or its name is another one.

A misspelled `--service` looks like a service that is still to come. So what the registry does know is named.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from difflib import get_close_matches
from math import inf
from time import monotonic

from pylb.clients.consul import ConsulClient, ConsulError
from pylb.clients.consul_catalog import ConsulCatalog

AGAIN = 10.0
"""Seconds until Consul is asked once more: the names of other services change, too."""
MAX_NAMED = 8
"""Services that are named before they are only counted."""
CONSUL = "consul"
"""The service that Consul itself is registered as."""


class Missing:
    """Explains why Consul lists no instance of one service.

    Args:
        service: its name.
        tags: what instances must carry.
        clock: monotonic seconds.
    """

    def __init__(self, service: str, tags: Sequence[str], clock: Callable[[], float] = monotonic) -> None:
        self._service = service
        self._tags = tags
        self._clock = clock
        self._asked = -inf
        self._words = ""

    async def explain(self, client: ConsulClient) -> str:
        """Say it in words; empty if Consul does not answer.

        Args:
            client: where Consul is.
        """
        now = self._clock()
        if now >= self._asked + AGAIN:
            self._asked = now
            try:
                names = (await ConsulCatalog(client).services()).read()
            except ConsulError:
                return self._words
            self._words = explanation(self._service, self._tags, names.keys() - {CONSUL})
        return self._words


def explanation(service: str, tags: Sequence[str], known: frozenset[str] | set[str]) -> str:
    """Say why a service has no instance, by the names of those that have some.

    Args:
        service: the one without.
        tags: what its instances must carry.
        known: the names.
    """
    if service in known:
        return f"Consul knows {service}, but no instance with the tags {', '.join(tags)}" if tags else ""
    if not known:
        return "Consul knows no service at all"
    close = get_close_matches(service, sorted(known), n=1) or (sorted(known) if len(known) == 1 else [])
    more = len(known) - MAX_NAMED
    named = ", ".join(sorted(known)[:MAX_NAMED]) + (f" and {more} more" if more > 0 else "")
    advice = f"; did you mean {close[0]}?" if close else ""
    return f"Consul knows {named}{advice}"
