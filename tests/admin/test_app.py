import asyncio
import logging
import socket

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from pylb.admin.app import AdminApp
from pylb.admin.views import View
from pylb.discovery.status import WatchStatus
from pylb.model import Endpoint, Excluded, Snapshot
from pylb.observe.counters import Block, Counters
from pylb.policy.pool import Pool
from pylb.process.lifecycle import Lifecycle, ProcessState

REFUSED = "Cannot connect to host 127.0.0.1:8500"


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def view(clock):
    counters = Counters(Block(), clock)
    names = ("web", "api")
    return View(
        lifecycle=Lifecycle(),
        pools={name: Pool(name, cells=counters.allocate) for name in names},
        watches={name: WatchStatus(name) for name in names},
        counters=counters,
        connections=lambda: 5,
        log_lines_dropped=lambda: 2,
        clock=clock,
    )


@pytest.fixture
async def client(view, aiohttp_client):
    return await aiohttp_client(AdminApp(view).web)


def know(view, service, *endpoints, excluded=()):
    """The registry has answered."""
    view.pools[service].apply(
        Snapshot(service, endpoints, excluded, generation=1, cause="consul index 7: +web-1")
    )
    view.watches[service].answered = view.clock()
    view.watches[service].instances = len(endpoints)
    view.watches[service].error = ""


@pytest.mark.parametrize("state", ProcessState)
async def test_health_is_that_the_process_lives_whatever_it_knows(client, view, state):
    view.lifecycle.advance(state)
    response = await client.get("/health")
    assert response.status == 200
    assert await response.json() == {"alive": True, "state": state.word}


async def test_ready_only_with_every_service_known_and_the_process_serving(client, view):
    async def reasons():
        response = await client.get("/ready")
        body = await response.json()
        assert response.status == (200 if body["ready"] else 503)
        assert body["ready"] is not bool(body["reasons"])
        return body["reasons"]

    view.watches["web"].error = REFUSED
    starting = "pylb is starting"
    assert await reasons() == [
        starting,
        f"service web: the registry has not answered yet: {REFUSED}",
        "service api: the registry has not answered yet",
    ]
    know(view, "web", Endpoint("web", "10.0.0.1", 80))
    assert await reasons() == [starting, "service api: the registry has not answered yet"]
    know(view, "api")
    assert await reasons() == [starting], "known to be empty is known"
    view.lifecycle.advance(ProcessState.SERVING)
    assert await reasons() == []
    view.watches["web"].error = REFUSED
    assert await reasons() == [], "what is known stays good while the registry is away"
    view.lifecycle.advance(ProcessState.DRAINING)
    assert await reasons() == ["pylb is draining"]


async def test_ready_tells_how_old_the_knowledge_is(client, view, clock):
    know(view, "web", Endpoint("web", "10.0.0.1", 80))
    view.watches["web"].error = REFUSED
    clock.now += 2.5
    body = await (await client.get("/ready")).json()
    assert body["services"]["web"]["age_seconds"] == 2.5
    assert body["services"]["web"]["instances"] == 1
    assert body["services"]["web"]["error"] == REFUSED
    assert body["services"]["api"]["age_seconds"] is None


async def test_pools_show_who_is_in_and_who_is_not_and_why(client, view):
    first, second = (Endpoint("web", f"10.0.0.{n}", 80, node="n", id=f"web-{n}", weight=n) for n in (1, 2))
    know(view, "web", first)
    with view.pools["web"].lease():
        know(view, "web", second, excluded=(Excluded(first, "critical: TCP connect refused"),))
        body = await (await client.get("/pools")).json()
    assert body["api"] == {"generation": 0, "observed": None, "cause": "", "backends": [], "excluded": []}
    web = body["web"]
    assert (web["generation"], web["cause"]) == (1, "consul index 7: +web-1")
    assert web["excluded"] == [
        {"id": "web-1", "address": "10.0.0.1:80", "reason": "critical: TCP connect refused"}
    ]
    assert {b["id"]: (b["state"], b["weight"], b["in_flight"]) for b in web["backends"]} == {
        "web-2": ("up", 2, 0),
        "web-1": ("draining", 1, 1),
    }


async def test_metrics_are_complete_and_can_be_parsed(client, view):
    know(view, "web", Endpoint("web", "10.0.0.1", 80))
    response = await client.get("/metrics")
    assert response.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    families = {f.name: f for f in text_string_to_metric_families(await response.text())}
    assert families.keys() >= {
        "pylb_build_info",
        "pylb_requests",
        "pylb_request_duration_seconds",
        "pylb_backend_requests",
        "pylb_backend_upstream_connect_errors",
        "pylb_backends",
        "pylb_discovery_age_seconds",
        "pylb_discovery_errors",
        "pylb_guards",
        "process_cpu_seconds",
        "process_resident_memory_bytes",
    }
    assert [s.value for s in families["pylb_client_connections"].samples] == [5]
    assert [s.value for s in families["pylb_access_log_lines_dropped"].samples] == [2]


async def test_a_name_that_is_no_text_does_not_end_the_metrics(client, view):
    know(view, "web", Endpoint("web", "\udcff", 80))
    response = await client.get("/metrics")
    assert response.status == 200


@pytest.mark.parametrize("path", ["/health", "/ready", "/metrics", "/pools"])
async def test_everything_can_be_read_and_nothing_be_changed(client, path):
    assert (await client.head(path)).status in (200, 503)
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        assert (await client.request(method, path)).status == 405


@pytest.fixture
async def served(view):
    app = AdminApp(view)
    listening = socket.create_server(("127.0.0.1", 0))
    await app.listen(listening)
    yield listening.getsockname()
    await app.close()


async def test_a_bound_socket_is_served_and_closed(view, caplog):
    app = AdminApp(view)
    first, second = (socket.create_server(("127.0.0.1", 0)) for _ in range(2))
    ports = [listening.getsockname()[1] for listening in (first, second)]
    await app.listen(first)
    await app.listen(second)
    with caplog.at_level(logging.DEBUG):
        async with aiohttp.ClientSession() as session:
            for port in ports:
                async with session.get(f"http://127.0.0.1:{port}/health") as response:
                    assert response.status == 200
    assert not [r for r in caplog.records if r.name == "aiohttp.access"]
    await app.close()
    for port in ports:
        with pytest.raises(OSError, match=str(port)):
            await asyncio.open_connection("127.0.0.1", port)


@pytest.mark.parametrize(
    "request_line",
    [b"GET /health HTTP/1.1", b"GET /nowhere HTTP/1.1", b"POST /health HTTP/1.1", b"rubbish \0"],
)
async def test_no_answer_tells_a_version(served, request_line):
    reader, writer = await asyncio.open_connection(*served)
    writer.write(request_line + b"\r\nHost: x\r\nConnection: close\r\n\r\n")
    answer = await reader.read()
    writer.close()
    assert answer.startswith(b"HTTP/1.")
    assert b"\r\nServer: pylb\r\n" in answer
    assert b"aiohttp" not in answer
    assert b"Python" not in answer
