"""Prometheus itself scrapes pylb, and answers what an operator asks."""

import asyncio
import subprocess
from math import isnan
from pathlib import Path

import aiohttp
import pytest

from tests.components import prometheus_binary
from tests.prometheus import Prometheus
from tests.scenarios.see.deployment import Deployment

ALERTS = Path(__file__).parents[3] / "docs/monitoring/alerts.yml"
P99 = """histogram_quantile(0.99,
    sum by (backend, le) (rate(pylb_backend_request_duration_seconds_bucket[10s])))"""


def test_promtool_accepts_the_alerting_rules():
    promtool = prometheus_binary().parent / "promtool"
    done = subprocess.run([promtool, "check", "rules", ALERTS], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "SUCCESS: 7 rules found" in done.stdout


@pytest.mark.slow
async def test_prometheus_computes_p99_by_backend_and_series_of_removed_instances_end(consul, tmp_path):
    async with Deployment(consul, "scraped") as pylb, aiohttp.ClientSession() as http:
        await pylb.start("s-fast")
        await pylb.start("s-slow", seconds=0.05)
        await pylb.ready(2)
        pylb.load(4)
        backends = pylb.balancer.worker.pools["scraped"].eligible
        names = {backend.endpoint.id: backend.name for backend in backends}
        with Prometheus(tmp_path, pylb.admin.removeprefix("http://"), ALERTS) as prometheus:

            async def answers(expression, condition):
                deadline = asyncio.get_running_loop().time() + 30
                while True:
                    found = await prometheus.query(http, expression)
                    sums = {series["metric"].get("backend"): float(series["value"][1]) for series in found}
                    if condition(sums):
                        return sums
                    assert asyncio.get_running_loop().time() < deadline, f"{expression}: {sums}"
                    await asyncio.sleep(0.09)

            both = set(names.values())
            p99 = await answers(P99, lambda sums: sums.keys() == both and not any(map(isnan, sums.values())))
            assert p99[names["s-fast"]] < p99[names["s-slow"]]

            await pylb.stop("s-slow")
            for metric in ("pylb_backend_weight", "pylb_backend_requests_total"):
                await answers(f"max by (backend) ({metric})", lambda sums: sums.keys() == {names["s-fast"]})
            kept = await answers('sum(pylb_requests_total{service="scraped"})', bool)
            assert kept[None] >= sum(pylb.answers.values()) * 0.5, "totals of the service stay"
            assert await prometheus.query(http, 'ALERTS{alertstate="firing",severity="page"}') == []
