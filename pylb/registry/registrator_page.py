"""The registrator's HTTP pages: `/health` for supervisors, `/metrics` for Prometheus. Read-only."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import orjson
from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from pylb.registry.registrator import RegistratorStatus


class RegistratorPage:
    """Handlers of both pages.

    Args:
        status: the registrator's state.
        max_age: seconds since the last synchronization after which `/health` answers 503.
        clock: returns monotonic seconds.
    """

    def __init__(self, status: RegistratorStatus, *, max_age: float, clock: Callable[[], float]) -> None:
        self._status = status
        self._max_age = max_age
        self._clock = clock
        self._started = clock()
        self._metrics = CollectorRegistry()
        self._metrics.register(self)

    def app(self) -> web.Application:
        """The web application with both pages."""
        app = web.Application()
        app.add_routes([web.get("/health", self.health), web.get("/metrics", self.metrics)])
        return app

    async def health(self, _: web.Request) -> web.Response:
        """Answer 200 if the last synchronization is recent, else 503, with failures and problems."""
        age = self._age()
        healthy = age < self._max_age
        content = {
            "healthy": healthy,
            "registered": self._status.registered,
            "synchronized_seconds_ago": None if self._status.synchronized is None else round(age, 3),
            "failure": self._status.failure,
            "problems": self._status.problems,
        }
        body = orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
        return web.Response(body=body, status=200 if healthy else 503, content_type="application/json")

    async def metrics(self, _: web.Request) -> web.Response:
        """Answer with the metrics in the text format of Prometheus."""
        return web.Response(
            body=generate_latest(self._metrics), headers={"Content-Type": "text/plain; version=0.0.4"}
        )

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics of one scrape; prometheus-client calls this."""
        status = self._status
        yield GaugeMetricFamily(
            "pylb_registrator_services", "Services registered by this registrator.", status.registered
        )
        yield GaugeMetricFamily(
            "pylb_registrator_problems", "Settings of containers that cannot be used.", len(status.problems)
        )
        yield GaugeMetricFamily(
            "pylb_registrator_age_seconds",
            "Seconds since the last synchronization of registry and engine.",
            self._age(),
        )
        yield CounterMetricFamily(
            "pylb_registrator_registrations", "Services registered.", status.registrations
        )
        yield CounterMetricFamily(
            "pylb_registrator_deregistrations", "Services deregistered.", status.deregistrations
        )
        yield CounterMetricFamily(
            "pylb_registrator_failures", "Calls to engine or registry that failed.", status.failures
        )

    def _age(self) -> float:
        """Return the seconds since the last synchronization, or since the start if there was none."""
        return self._clock() - (self._status.synchronized or self._started)
