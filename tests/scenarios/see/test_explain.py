"""What `pylb explain` says is where requests go: compared over a thousand of them."""

import random

import aiohttp
import pytest

from pylb.policy.balance import BALANCERS
from pylb.policy.overrides import Action
from tests.scenarios.see.deployment import Deployment
from tests.until import until

pytestmark = pytest.mark.slow

REQUESTS = 1000


async def test_explain_predicts_the_backend_for_every_policy_and_load(consul):
    rng = random.Random(1)
    async with Deployment(consul, "explained") as pylb, aiohttp.ClientSession() as http:
        for number in range(1, 6):
            await pylb.start(f"e-{number}")
        await pylb.ready(5)
        pool = pylb.balancer.worker.pools["explained"]
        operator = pylb.balancer.control.override_store
        operator.decide("explained", Action.WEIGHT, backend="e-1", weight=3)
        operator.decide("explained", Action.DRAIN, backend="e-5")
        agreed = {}
        for policy in BALANCERS:
            operator.decide("explained", Action.POLICY, policy=policy)
            await until(lambda policy=policy: pool.policy == policy)
            for _ in range(REQUESTS // len(BALANCERS)):
                # Requests that hang are what makes loads differ.
                retained = [rng.choice(pool.eligible) for _ in range(rng.randrange(4))]
                for backend in retained:
                    backend.count(+1)
                query = {"target": "/cart?id=1", "host": "shop.example"}
                async with http.get(f"{pylb.admin}/api/explain", params=query) as answer:
                    result = await answer.json()
                async with http.get(f"{pylb.url}/cart?id=1", headers={"Host": "shop.example"}) as answer:
                    name = await answer.text()
                for backend in retained:
                    backend.count(-1)
                winner = next(c for c in result["candidates"] if c["wins"])
                agreed[policy] = agreed.get(policy, 0) + (winner["id"] == name)
                assert [e["reason"] for e in result["excluded"]] == ["operator: drain e-5"]
        assert agreed == dict.fromkeys(BALANCERS, REQUESTS // len(BALANCERS))
