"""What a registrator shows of itself: `/health` for whoever restarts it, `/metrics` for Prometheus."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import orjson
from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from pylb.registry.registrator import RegistratorStatus


class RegistratorPage:
    """Two pages, read-only.

    Args:
        status: what they show.
        patience: seconds without agreement of engine and registry after which it counts as unwell.
        clock: monotonic seconds.
    """

    def __init__(self, status: RegistratorStatus, *, patience: float, clock: Callable[[], float]) -> None:
        self._status = status
        self._patience = patience
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
        """200 if engine and registry were equal a short while ago, else 503; and what is wrong, if so."""
        age = self._age()
        well = age < self._patience
        content = {
            "healthy": well,
            "registered": self._status.registered,
            "synchronized_seconds_ago": None if self._status.synchronized is None else round(age, 3),
            "trouble": self._status.trouble,
            "problems": self._status.problems,
        }
        body = orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
        return web.Response(body=body, status=200 if well else 503, content_type="application/json")

    async def metrics(self, _: web.Request) -> web.Response:
        """Everything for Prometheus."""
        return web.Response(
            body=generate_latest(self._metrics), headers={"Content-Type": "text/plain; version=0.0.4"}
        )

    def collect(self) -> Iterator[Metric]:
        """What prometheus-client asks for at each scrape."""
        status = self._status
        yield GaugeMetricFamily(
            "pylb_registrator_services", "Services registered and up to date.", status.registered
        )
        yield GaugeMetricFamily(
            "pylb_registrator_problems", "Settings of containers that cannot be used.", len(status.problems)
        )
        yield GaugeMetricFamily(
            "pylb_registrator_age_seconds", "Since engine and registry were last equal.", self._age()
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
        """Seconds since all was well, counted from the start if it never was."""
        return self._clock() - (self._status.synchronized or self._started)
