"""A service as requests see it: the pool of its backends, and the rules for its requests.

A service has one `Service` for its own settings, and one more for each set of settings that routes of it
have. All of them have the same pool and the same connector. A request takes its `Service` at ROUTE and keeps
it, so that a change of the settings affects later requests only.
"""

from __future__ import annotations

from collections.abc import Awaitable
from copy import copy
from dataclasses import replace

from pylb.config.backends import Retries, Timeouts
from pylb.config.clients import Limits
from pylb.policy.backend import Backend
from pylb.policy.pool import Pool
from pylb.policy.retry import RetryRules
from pylb.proxy.request_key import ReadKey
from pylb.proxy.sessions import Sessions
from pylb.proxy.upstream.connector import Client, Connector
from pylb.proxy.upstream.upstream import Upstream


class Service:
    """What the requests of one service use, or those of some of its routes.

    Args:
        pool: the backends.
        connector: opens connections to them.
        timeouts: how long to wait for what, in seconds.
        limits: how large a body may be, and how slowly it may move.
        retries: which requests may be attempted again.
        read_key: reads what a request is hashed on; None without a keyed policy.
        sticky: how sticky sessions are carried; None if there are none.
    """

    __slots__ = (
        *("_for_calls", "connector", "max_body", "min_body_rate", "pool", "quota", "read_key", "retry"),
        *("sticky", "timeouts"),
    )

    def __init__(
        self,
        pool: Pool,
        connector: Connector,
        timeouts: Timeouts | None = None,
        limits: Limits | None = None,
        retries: Retries | None = None,
        *,
        read_key: ReadKey | None = None,
        sticky: Sessions | None = None,
    ) -> None:
        self.pool = pool
        self.connector = connector
        self.timeouts = timeouts or Timeouts()
        self.read_key = read_key if sticky is None else sticky.read_key
        self.sticky = sticky
        self.retry = RetryRules(retries or Retries())
        limits = limits or Limits()
        self.max_body = limits.max_body
        """Bytes of the largest request body."""
        self.min_body_rate = limits.min_body_rate
        """Bytes per second that a body must move."""
        self.quota = limits.min_body_rate * self.timeouts.body_timeout
        """Bytes of a body that a client must send or read before its timeout restarts."""

        self._for_calls: Service | None = None

    @property
    def for_calls(self) -> Service:
        """The same for calls of gRPC, which may be silent for as long as a tunnel."""
        if self._for_calls is None:
            calls = self._for_calls = copy(self)
            silence = self.timeouts.tunnel_timeout
            calls.timeouts = replace(self.timeouts, response_timeout=silence, body_timeout=silence)
            calls.min_body_rate = 0
            calls.quota = 0.0
        return self._for_calls

    def connect(self, backend: Backend, client: Client) -> Awaitable[Upstream]:
        """Open a connection to a backend; see `Connector.connect`."""
        return self.connector.connect(backend, client, self.timeouts.connect_timeout)

    def __repr__(self) -> str:
        return f"<Service {self.pool.service}>"
