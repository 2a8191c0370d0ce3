"""Routes in the KV store of a real Consul."""

import uuid
from contextlib import aclosing

import aiohttp
import pytest

from pylb.discovery.routes.kv import RouteKeys
from tests.registries import consul_at

pytestmark = pytest.mark.slow


def refuse_wrong(name, value):
    if value == "wrong":
        raise ValueError(f"{name}: got 'wrong'")


@pytest.fixture
async def put(consul):
    async with aiohttp.ClientSession() as http:

        async def write(key, value):
            async with http.put(f"{consul.url}/v1/kv/{key}", data=value) as answer:
                assert answer.status == 200

        yield write


async def until_declared(watch, wanted):
    async for declared in watch:
        paths = {each.service: [route.match.path for route in each.routes] for each in declared.services}
        if paths == wanted:
            return declared
    return None


async def test_each_key_is_a_service_and_a_bad_one_is_excluded_alone(consul, put):
    prefix = f"routes-{uuid.uuid4()}"
    keys = RouteKeys(consul_at(consul.url), f"/{prefix}/", 2, refuse_wrong)
    async with aclosing(keys.watch()) as watch:
        assert (await anext(watch)).services == ()
        await put(f"{prefix}/web", 'routes = ["/a", "/b strip=/b"]\npolicy = "random"')
        declared = await until_declared(watch, {"web": ["/a", "/b"]})
        assert declared.services[0].settings == (("policy", "random"),)
        assert declared.services[0].order[0] == 2
        for key, value in (("api", 'routes = ["/c"]'), ("bad", 'routes = ["/x'), ("set", 'policy = "wrong"')):
            await put(f"{prefix}/{key}", value)
        await put(f"{prefix}/bytes", b"\xff")
        await put(f"{prefix}/web", 'routes = ["/new"]')
        declared = await until_declared(watch, {"web": ["/new"], "api": ["/c"]})
        problems = {problem.service: problem.text for problem in declared.problems}
        assert {*problems} == {"bad", "set", "bytes"}
        assert problems["set"] == f"consul:{prefix}/set, line 1: policy: got 'wrong'"
        assert problems["bytes"] == "expected UTF-8"
