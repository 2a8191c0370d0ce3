"""Checks that run: what turns them, and what they say."""

import asyncio
import socket

import pytest
from aiohttp import web

from tests.contract.api import comparable


async def await_status(api, check_id, status, output=None):
    """Wait until the catalog has this state of a check of `@web`; the agent must have it too."""

    def found(statuses):
        return statuses[check_id][0] == status and output in (None, statuses[check_id][1])

    statuses = await api.until(api.statuses, found)
    agent = (await api.get("/v1/agent/checks")).content[check_id]
    assert (agent["Status"], agent["Output"]) == statuses[check_id]


@pytest.fixture
async def ttl(api):
    await api.register({"Name": "@web", "Check": {"CheckID": "@t", "TTL": "10m"}})
    await api.catalogued()
    return api


async def test_ttl_updates_set_the_status(ttl):
    assert await ttl.statuses() == {"@t": ("critical", "")}
    for verb, status in (("pass", "passing"), ("warn", "warning"), ("fail", "critical")):
        assert await ttl.put(f"/v1/agent/check/{verb}/@t") == ""
        await await_status(ttl, "@t", status, "")
    for verb, status in (("pass", "passing"), ("warn", "warning"), ("fail", "critical")):
        await ttl.put(f"/v1/agent/check/{verb}/@t", note=f"{verb} & why not?")
        await await_status(ttl, "@t", status, f"{verb} & why not?")


async def test_an_update_sets_status_and_output(ttl):
    await ttl.put("/v1/agent/check/update/@t", {"Status": "passing", "Output": "all is well"})
    await await_status(ttl, "@t", "passing", "all is well")
    await ttl.put("/v1/agent/check/update/@t", {"status": "warning"})
    await await_status(ttl, "@t", "warning", "")


@pytest.mark.parametrize(("limit", "size"), [({}, 4096), ({"OutputMaxSize": 10}, 10)])
async def test_a_long_output_is_truncated(api, limit, size):
    await api.register({"Name": "@web", "Check": {"CheckID": "@t", "TTL": "10m", **limit}})
    await api.put("/v1/agent/check/update/@t", {"Status": "passing", "Output": "x" * 5000})
    await await_status(api, "@t", "passing", f"{'x' * size} ... (captured {size} of 5000 bytes)")


async def test_checks_of_a_service_and_of_the_node(ttl):
    await ttl.put(
        "/v1/agent/check/register", {"ID": "@own", "Name": "own", "TTL": "10m", "ServiceID": "@web"}
    )
    await ttl.put(
        "/v1/agent/check/register", {"Name": "@node", "TTL": "10m", "Notes": "n", "Status": "warning"}
    )
    reply = await ttl.until(ttl.health, lambda r: len(r.content[0]["Checks"]) == 4)
    assert [(c["CheckID"], c["Name"], c["ServiceID"]) for c in reply.content[0]["Checks"]] == [
        ("@node", "@node", ""),
        ("serfHealth", "Serf Health Status", ""),
        ("@own", "own", "@web"),
        ("@t", "Service '@web' check", "@web"),
    ]
    assert comparable(reply.content[0]["Checks"][0]) == {
        "CheckID": "@node",
        "Name": "@node",
        "Status": "warning",
        "Notes": "n",
        "Output": "",
        "ServiceID": "",
        "ServiceName": "",
        "ServiceTags": [],
        "Type": "ttl",
        "Definition": {},
    }
    await ttl.put("/v1/agent/check/deregister/@node")
    await ttl.put("/v1/agent/check/deregister/@own")
    await ttl.until(ttl.health, lambda r: len(r.content[0]["Checks"]) == 2)


async def test_node_and_service_must_both_pass(ttl):
    def passing():
        return ttl.health(passing="")

    await ttl.put("/v1/agent/check/pass/@t")
    await ttl.until(passing, lambda r: len(r.content) == 1)
    await ttl.put("/v1/agent/check/register", {"Name": "@node", "TTL": "10m"})
    await ttl.until(passing, lambda r: r.content == [])
    await ttl.put("/v1/agent/check/pass/@node")
    await ttl.until(passing, lambda r: len(r.content) == 1)


@pytest.mark.slow
async def test_a_ttl_expires(api):
    checks = {
        "@silent": {"Status": "passing"},
        "@spoke": {},
        "@critical": {},
        "@again": {},
        "@kept": {},
        "@fresh": {"TTL": "10m"},
    }
    definitions = [{"CheckID": name, "TTL": "1s", **more} for name, more in checks.items()]
    await api.register({"Name": "@web", "Checks": definitions})
    await api.put("/v1/agent/check/pass/@spoke", note="hello")
    await api.put("/v1/agent/check/pass/@again", note="forgotten")
    await api.put("/v1/agent/check/pass/@fresh", note="here")
    await api.register({"Name": "@web", "Checks": [{"CheckID": "@again", "TTL": "1s"}]})
    for _ in range(20):
        await api.put("/v1/agent/check/pass/@kept")
        await asyncio.sleep(0.08)
    expected = {
        "@silent": ("critical", "TTL expired"),
        "@spoke": ("critical", "TTL expired (last output before timeout follows): hello"),
        "@critical": ("critical", ""),
        "@again": ("critical", "TTL expired"),
        "@kept": ("passing", ""),
        "@fresh": ("passing", "here"),
    }
    assert await api.until(api.statuses, expected)
    assert (await api.get("/v1/agent/checks")).content["@critical"]["Output"] == "TTL expired"
    await api.put("/v1/agent/check/pass/@spoke")
    await await_status(api, "@spoke", "passing", "")


class Origin:
    """A service whose answers a test sets, and which records the requests."""

    def __init__(self) -> None:
        self.status = 200
        self.asked = []

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append((request.method, request.path, dict(request.headers), await request.text()))
        if request.path == "/moved":
            return web.Response(status=302, headers={"Location": "/found"})
        if request.path == "/large":
            return web.Response(text="x" * 5000 + "end")
        return web.Response(status=self.status, text="body\nline")


@pytest.fixture
async def origin(aiohttp_server):
    origin = Origin()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", origin.answer)
    server = await aiohttp_server(app, host="127.0.0.1")
    origin.url = f"http://127.0.0.1:{server.port}"
    return origin


@pytest.fixture
def silent():
    """An address that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"127.0.0.1:{listener.getsockname()[1]}"


@pytest.fixture
def refusing():
    """An address without a listener."""
    with socket.socket() as retained:
        retained.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{retained.getsockname()[1]}"


@pytest.mark.slow
async def test_http_checks(api, origin, refusing, silent):
    asked = {"Method": "POST", "Header": {"X-Asked": ["yes"], "Host": ["web.test"]}, "Body": "hi"}
    targets = {
        "@ok": {"HTTP": f"{origin.url}/ok"},
        "@moved": {"HTTP": f"{origin.url}/moved"},
        "@large": {"HTTP": f"{origin.url}/large"},
        "@asked": {"HTTP": f"{origin.url}/asked", **asked},
        "@refused": {"HTTP": f"http://{refusing}/", "Status": "passing"},
        "@silent": {"HTTP": f"http://{silent}/", "Timeout": "200ms", "Status": "passing"},
    }
    definitions = [{"CheckID": name, "Interval": "1s", **more} for name, more in targets.items()]
    await api.register({"Name": "@web", "Checks": definitions})
    passed = f"HTTP GET {origin.url}"
    await await_status(api, "@ok", "passing", f"{passed}/ok: 200 OK Output: body\nline")
    await await_status(api, "@moved", "passing", f"{passed}/moved: 200 OK Output: body\nline")
    await await_status(api, "@large", "passing", f"{passed}/large: 200 OK Output: {'x' * 4093}end")
    await await_status(api, "@asked", "passing", f"HTTP POST {origin.url}/asked: 200 OK Output: body\nline")
    problem = f"dial tcp {refusing}: connect: connection refused"
    await await_status(api, "@refused", "critical", f'Get "http://{refusing}/": {problem}')
    problem = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
    await await_status(api, "@silent", "critical", f'Get "http://{silent}/": {problem}')

    method, _, headers, body = next(request for request in origin.asked if request[1] == "/asked")
    assert (method, body, headers["Host"], headers["X-Asked"]) == ("POST", "hi", "web.test", "yes")
    assert headers["User-Agent"] == "Consul Health Check"
    assert headers["Accept"] == "text/plain, text/*, */*"

    origin.status = 429
    await await_status(api, "@ok", "warning", f"{passed}/ok: 429 Too Many Requests Output: body\nline")
    origin.status = 500
    await await_status(api, "@ok", "critical", f"{passed}/ok: 500 Internal Server Error Output: body\nline")
    origin.status = 204
    await await_status(api, "@ok", "passing", f"{passed}/ok: 204 No Content Output: ")


@pytest.mark.slow
async def test_a_status_changes_after_consecutive_results(api, origin):
    await api.register(
        {
            "Name": "@web",
            "Check": {
                "CheckID": "@slow",
                "HTTP": f"{origin.url}/",
                "Interval": "1s",
                "SuccessBeforePassing": 2,
                "FailuresBeforeCritical": 2,
            },
        }
    )
    await await_status(api, "@slow", "passing")
    assert len(origin.asked) == 1, "the first result is believed at once"
    origin.status = 500
    await await_status(api, "@slow", "critical")
    assert len(origin.asked) == 3


@pytest.mark.slow
async def test_tcp_checks(api, silent, refusing):
    targets = {
        "@open": {"TCP": silent},
        "@name": {"TCP": silent.replace("127.0.0.1", "localhost")},
        "@refused": {"TCP": refusing, "Status": "passing"},
        "@portless": {"TCP": "nowhere", "Status": "passing"},
    }
    definitions = [{"CheckID": name, "Interval": "1s", **more} for name, more in targets.items()]
    await api.register({"Name": "@web", "Checks": definitions})
    await await_status(api, "@open", "passing", f"TCP connect {silent}: Success")
    await await_status(
        api, "@name", "passing", f"TCP connect {silent.replace('127.0.0.1', 'localhost')}: Success"
    )
    await await_status(api, "@refused", "critical", f"dial tcp {refusing}: connect: connection refused")
    await await_status(api, "@portless", "critical", "dial tcp: address nowhere: missing port in address")
