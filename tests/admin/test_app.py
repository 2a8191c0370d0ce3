import asyncio
import logging
import socket

import aiohttp
import orjson
import pytest
from prometheus_client.parser import text_string_to_metric_families

from pylb.model import Endpoint
from pylb.runtime.lifecycle import ProcessState


@pytest.fixture
async def client(app, aiohttp_client):
    return await aiohttp_client(app.web)


@pytest.mark.parametrize("state", ProcessState)
async def test_health_is_200_in_every_state(client, view, state):
    view.lifecycle.advance(state)
    response = await client.get("/health")
    assert response.status == 200
    assert await response.json() == {"alive": True, "state": state.word}


async def test_ready_has_a_status_and_reasons(client, view, know):
    view.watches["web"].error = "Cannot connect to host 127.0.0.1:8500"
    know("api")
    response = await client.get("/ready")
    assert response.status == 503
    body = await response.text()
    assert "service web: the registry has not answered yet: Cannot connect to host 127.0.0.1:8500" in body
    view.lifecycle.advance(ProcessState.SERVING)
    know("web")
    assert (await client.get("/ready")).status == 200


async def test_pools_lists_backends(client, view, know):
    know("web", Endpoint("web", "10.0.0.1", 80, tags=("blue",)))
    assert await (await client.get("/pools")).json() == orjson.loads(orjson.dumps(view.membership()))


async def test_metrics_are_complete_and_valid(client, know):
    know("web", Endpoint("web", "10.0.0.1", 80))
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
    assert [s.value for s in families["pylb_workers"].samples] == [1]


async def test_a_name_with_invalid_text_does_not_break_the_metrics(client, know):
    know("web", Endpoint("web", "\udcff", 80))
    response = await client.get("/metrics")
    assert response.status == 200


@pytest.mark.parametrize("path", ["/health", "/ready", "/metrics", "/pools"])
async def test_all_pages_can_be_read_but_not_changed(client, path):
    assert (await client.head(path)).status in (200, 503)
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        assert (await client.request(method, path)).status == 405


@pytest.fixture
async def served(app):
    listening = socket.create_server(("127.0.0.1", 0))
    await app.listen(listening)
    yield listening.getsockname()
    await app.close()


async def test_a_bound_socket_is_served_and_closed(app, caplog):
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
async def test_no_response_reveals_a_version(served, request_line):
    reader, writer = await asyncio.open_connection(*served)
    writer.write(request_line + b"\r\nHost: x\r\nConnection: close\r\n\r\n")
    answer = await reader.read()
    writer.close()
    assert answer.startswith(b"HTTP/1.")
    assert b"\r\nServer: pylb\r\n" in answer
    assert b"aiohttp" not in answer
    assert b"Python" not in answer
