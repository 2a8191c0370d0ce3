import asyncio

import orjson
import pytest

from pylb.admin import api
from pylb.model import Endpoint, Excluded

ONE, TWO = (Endpoint("web", f"10.0.0.{n}", 80, id=f"web-{n}") for n in (1, 2))


@pytest.fixture
async def client(app, aiohttp_client, know):
    know("web", ONE, TWO)
    know("api")
    return await aiohttp_client(app.web)


async def get(client, path):
    answer = await client.get(path)
    assert answer.status == 200, await answer.text()
    return await answer.json()


async def test_an_override_is_created_listed_and_revoked(client, view):
    answer = await client.post(
        "/api/overrides",
        json={"service": "web", "action": "drain", "backend": "web-1", "reason": "x\ny", "seconds": 60},
    )
    assert answer.status == 201
    made = await answer.json()
    assert (made["backend"], made["reason"]) == ("web-1", "x?y"), "a reason stays one line in the log"
    assert made["expires"] == pytest.approx(made["since"] + 60)
    assert await get(client, "/api/overrides") == [made]
    assert (await client.delete(f"/api/overrides/{made['id']}")).status == 200
    assert await get(client, "/api/overrides") == []
    assert (await client.delete(f"/api/overrides/{made['id']}")).status == 404


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (
            {"service": "web", "action": "explode"},
            "action: got 'explode', expected one of drain, eject, restore, weight",
        ),
        ({"service": "web", "action": "drain"}, "drain: backend missing"),
        ({"service": "web", "action": "weight", "backend": "web-1"}, "weight: weight missing"),
        ({"service": "web", "action": "maintenance", "backend": "web-1"}, "maintenance: backend not known"),
        (
            {"service": "web", "action": "weight", "backend": "web-1", "weight": -1},
            "weight: expected a whole",
        ),
        (
            {"service": "web", "action": "weight", "backend": "web-1", "weight": True},
            "weight: expected a whole",
        ),
        ({"service": "web", "action": "maintenance", "seconds": 0}, "seconds: expected a number from 1"),
        ({"service": "web", "action": "maintenance", "seconds": None}, "seconds: expected a number from 1"),
        ({"service": "web", "action": "policy"}, "policy: policy missing"),
        ({"service": "web", "action": "policy", "policy": "luck"}, "policy: got 'luck', expected one of"),
        ({"service": "web", "action": "eject", "backend": "web-1", "weight": 1}, "eject: weight not known"),
        ({"action": "drain", "backend": "web-1"}, "drain: service missing"),
        ({"action": "log-level", "level": "loud"}, "level: got 'loud', expected one of debug, info"),
        ({"service": "web", "action": "log-level", "level": "info"}, "log-level: service not known"),
        ({"service": 5, "action": "maintenance"}, "service: expected a text"),
        ({"service": "web", "action": "drain", "backend": ""}, "backend: expected a text"),
        ({"service": "web", "action": "maintenance", "reason": "x" * 201}, "reason: expected a text"),
        ([], "expected a JSON object"),
    ],
)
async def test_invalid_overrides_are_rejected_in_one_line(client, view, body, words):
    answer = await client.post("/api/overrides", json=body)
    assert answer.status == 400
    assert (await answer.json())["error"].startswith(words)
    assert view.overrides == {}


@pytest.mark.parametrize(
    "body",
    [
        {"service": "web", "action": "eject", "backend": "web-1"},
        {"service": "web", "action": "restore", "backend": "10.0.0.2:80"},
        {"service": "web", "action": "policy", "policy": "random-two"},
        {"action": "log-level", "level": "debug", "reason": "what is it doing?"},
    ],
)
async def test_each_kind_of_override_is_listed_as_created(client, body):
    answer = await client.post("/api/overrides", json=body)
    assert answer.status == 201
    (listed,) = await get(client, "/api/overrides")
    assert listed.items() >= body.items()


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"service": "shop", "action": "maintenance"}, "there is no service 'shop'"),
        ({"service": "web", "action": "drain", "backend": "web-9"}, "service web has no backend 'web-9'"),
    ],
)
async def test_unknown_services_backends_and_overrides_are_404(client, body, words):
    answer = await client.post("/api/overrides", json=body)
    assert (answer.status, (await answer.json())["error"]) == (404, words)


async def test_a_body_with_another_content_type_is_rejected(client, view):
    body = orjson.dumps({"service": "web", "action": "maintenance"})
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        answer = await client.post("/api/overrides", data=body, headers={"Content-Type": kind})
        assert answer.status == 415
    assert view.overrides == {}


async def test_history_can_be_read_from_a_number_on(client):
    assert [e["service"] for e in await get(client, "/api/history")] == ["web", "api"]
    assert [e["service"] for e in await get(client, "/api/history?since=1")] == ["api"]
    assert [e["service"] for e in await get(client, "/api/history?service=web")] == ["web"]
    assert (await client.get("/api/history?since=-1")).status == 400


async def test_all_resources_can_be_read(client):
    assert await get(client, "/api/config") == {"--policy": "least-connections", "--token": "(secret)"}
    state = await get(client, "/api/state")
    assert state["services"] == await get(client, "/api/services")
    assert state["backends"] == await get(client, "/api/backends")
    assert state["problems"] == await get(client, "/api/problems")
    assert await get(client, "/api/samples") == {}
    assert [worker["name"] for worker in await get(client, "/api/workers")] == ["worker 1"]


async def test_events_carry_the_state_and_every_change_immediately(client, know):
    async with client.get("/api/events") as stream:
        assert stream.content_type == "text/event-stream"

        async def next_event():
            block = await asyncio.wait_for(stream.content.readuntil(b"\n\n"), 5)
            name, data = block.decode().strip().split("\ndata: ")
            return name.removeprefix("event: "), orjson.loads(data)

        assert (await next_event())[0] == "state"
        name, entries = await next_event()
        assert (name, len(entries)) == ("history", 2)
        know("web", TWO, excluded=(Excluded(ONE, "critical: refused"),))
        name, state = await next_event()
        assert {b["id"]: b["state"] for b in state["backends"]} == {"web-1": "out", "web-2": "up"}
        name, entries = await next_event()
        assert entries[-1]["removed"] == ["web-1 (critical: refused)"]


async def test_event_streams_end_with_the_server(client, app, monkeypatch):
    monkeypatch.setattr(api, "TICK", 0.02)
    async with client.get("/api/events") as stream:
        await stream.content.readuntil(b"\n\n")
        await app.close()
        app._api._ended.set()
        await asyncio.wait_for(stream.content.read(), 5)


async def test_one_service_has_its_effective_settings(client):
    found = await get(client, "/api/services/api")
    assert (found["service"], [each["route"] for each in found["routes"]]) == ("api", ["api=/api"])
    assert {each["origin"] for each in found["settings"]} == {"default"}
    answer = await client.get("/api/services/none")
    assert (answer.status, await answer.json()) == (404, {"error": "there is no service 'none'"})
