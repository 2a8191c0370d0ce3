"""An operator's decisions reach the traffic, and their end does too."""

import aiohttp
import pytest

from tests.scenarios.see.deployment import Deployment
from tests.until import until

pytestmark = pytest.mark.slow


async def test_drain_weight_and_maintenance_act_on_traffic_and_are_in_the_history(consul):
    async with Deployment(consul, "decisions") as pylb, aiohttp.ClientSession(pylb.admin) as admin:
        for name in ("d-1", "d-2"):
            await pylb.start(name)
        await pylb.ready(2)
        pylb.load(4)
        await pylb.answering("d-1", "d-2")

        async def decide(**decision):
            async with admin.post("/api/overrides", json={"service": "decisions", **decision}) as answer:
                assert answer.status == 201, await answer.text()
                return (await answer.json())["id"]

        async def revoke(number):
            async with admin.delete(f"/api/overrides/{number}") as answer:
                assert answer.status == 200

        drained = await decide(action="drain", backend="d-1", reason="deploy")
        await pylb.answering("d-2")
        await pylb.start("d-3")
        await pylb.answering("d-2", "d-3")
        await revoke(drained)
        await pylb.answering("d-1", "d-2", "d-3")
        nothing = await decide(action="weight", backend="d-2", weight=0)
        await pylb.answering("d-1", "d-3")
        await revoke(nothing)
        assert pylb.failures == 0, "no decision costs a request"

        shut = await decide(action="maintenance")
        await until(lambda: pylb.failures, 20)
        await revoke(shut)
        await pylb.answering("d-1", "d-2", "d-3")

        async with admin.get("/api/history") as answer:
            entries = await answer.json()
        causes = [entry["cause"] for entry in entries]
        assert "operator: drain d-1 (deploy)" in causes
        assert "operator: end of drain d-1" in causes
        came = next(entry for entry in entries if "d-3" in entry["added"])
        assert came["applied"] < 0.5


async def test_under_traffic_the_time_to_the_first_request_is_measured(consul):
    async with Deployment(consul, "propagation") as pylb:
        await pylb.start("p-1")
        await pylb.ready(1)
        pylb.load(4)
        samples = pylb.balancer.control.recorder.samples.services
        await until(lambda: "propagation" in samples and samples["propagation"][-1].requests, 20)
        await pylb.start("p-2")
        history = pylb.balancer.control.recorder.history
        await until(lambda: history.routed.get("propagation"), 20)
        entry = next(entry for entry in history.since() if "p-2" in entry.added)
        assert entry.applied <= entry.routed < 5
