"""Explains why a service has no instance: it is not registered yet, or registered under another name.

A misspelled `--service` looks like a service that is not registered yet, so the explanation names the
services that Consul knows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from difflib import get_close_matches
from math import inf
from time import monotonic

from pylb.clients.consul import ConsulClient, ConsulError
from pylb.clients.consul_catalog import ConsulCatalog
from pylb.discovery.abbreviation import abbreviated

INTERVAL = 10.0
"""Seconds between two queries for the names of all services."""
MAX_NAMED = 8
"""Services that an explanation names before it only counts them."""
CONSUL = "consul"
"""The name of Consul's own service."""


class Missing:
    """Explains why Consul lists no instance of one service.

    Args:
        service: its name.
        tags: the tags that instances must have.
        clock: monotonic seconds.
    """

    def __init__(self, service: str, tags: Sequence[str], clock: Callable[[], float] = monotonic) -> None:
        self._service = service
        self._tags = tags
        self._clock = clock
        self._queried = -inf
        self._text = ""

    async def explain(self, client: ConsulClient, known: frozenset[str] | None = None) -> str:
        """Return the explanation; empty if Consul does not answer.

        Args:
            client: the client for the query.
            known: the names of all services, if they are known without a query.
        """
        if known is not None:
            return explain_missing(self._service, self._tags, known)
        now = self._clock()
        if now >= self._queried + INTERVAL:
            self._queried = now
            try:
                names = (await ConsulCatalog(client).services()).read()
            except ConsulError:
                return self._text
            self._text = explain_missing(self._service, self._tags, names.keys() - {CONSUL})
        return self._text


def explain_missing(service: str, tags: Sequence[str], known: frozenset[str] | set[str]) -> str:
    """Return why a service has no instance, given the names of those that have some.

    Args:
        service: the service without an instance.
        tags: the tags that its instances must have.
        known: the names of all services.
    """
    if service in known:
        return f"Consul knows {service}, but no instance with the tags {', '.join(tags)}" if tags else ""
    if not known:
        return "Consul knows no service at all"
    close = get_close_matches(service, sorted(known), n=1) or (sorted(known) if len(known) == 1 else [])
    named = abbreviated(sorted(known), most=MAX_NAMED)
    advice = f"; did you mean {close[0]}?" if close else ""
    return f"Consul knows {named}{advice}"
