"""The API below `/api`: reads all state; creates, lists and revokes overrides."""

from __future__ import annotations

import asyncio
from collections import Counter
from time import time
from typing import Any, NoReturn, Protocol

import orjson
from aiohttp import web

from pylb.admin import state
from pylb.admin.connections import restart_timeout
from pylb.admin.explain import explain
from pylb.admin.openapi import DOCUMENT, LEVELS, MAX_NUMBER, MAX_SECONDS, MAX_TEXT, MAX_WEIGHT, POLICIES
from pylb.admin.routes import routes
from pylb.admin.service import service
from pylb.admin.views import View
from pylb.policy.overrides import ALL_OF_PYLB, Action, Override

TICK = 1.0
"""Seconds between two events. A change of a pool is sent immediately."""


class OverrideStore(Protocol):
    """Creates and revokes overrides; see `control.override_store`."""

    def decide(
        self,
        service: str,
        action: Action,
        *,
        backend: str = "",
        weight: int = 0,
        policy: str = "",
        level: str = "",
        reason: str = "",
        seconds: float | None = None,
        client: str = "",
    ) -> Override:
        """Apply an override."""

    def revoke(self, number: int, client: str = "") -> Override | None:
        """Revoke an override. Returns None if it does not exist."""


class Api:
    """The handlers of `/api`.

    Args:
        view: the data to read.
        store: creates and revokes overrides.
        streams: the maximum number of simultaneous event streams.
    """

    def __init__(self, view: View, store: OverrideStore, streams: int) -> None:
        self._view = view
        self._store = store
        self._streams = streams
        self._ended = asyncio.Event()

    def routes(self) -> list[web.RouteDef]:
        """Paths and handlers; `openapi.DOCUMENT` describes them."""
        return [
            web.get("/api/state", self.state),
            web.get("/api/services", self.services),
            web.get("/api/services/{service}", self.service),
            web.get("/api/backends", self.backends),
            web.get("/api/workers", self.workers),
            web.get("/api/problems", self.problems),
            web.get("/api/config", self.config),
            web.get("/api/history", self.history),
            web.get("/api/samples", self.samples),
            web.get("/api/explain", self.explain),
            web.get("/api/routes", self.list_routes),
            web.get("/api/declarations", self.declarations),
            web.get("/api/requests", self.requests),
            web.get("/api/events", self.events, allow_head=False),
            web.get("/api/openapi.json", self.openapi),
            web.get("/api/overrides", self.overrides),
            web.post("/api/overrides", self.decide),
            web.delete("/api/overrides/{id}", self.revoke),
        ]

    def close(self) -> None:
        """End all event streams."""
        self._ended.set()

    async def state(self, _: web.Request) -> web.Response:
        """The current state."""
        await self._view.prepare()
        return _json(state.state(self._view, time()))

    async def services(self, _: web.Request) -> web.Response:
        """The services."""
        return _json(state.services(self._view))

    async def service(self, request: web.Request) -> web.Response:
        """One service with its routes and effective settings."""
        name = request.match_info["service"]
        found = service(self._view, name)
        if found is None:
            _refuse(web.HTTPNotFound, f"there is no service {name!r}")
        return _json(found)

    async def backends(self, _: web.Request) -> web.Response:
        """Every instance with its state and the reason for it."""
        return _json(list(state.backends(self._view)))

    async def workers(self, _: web.Request) -> web.Response:
        """The worker processes."""
        return _json(self._view.workers())

    async def problems(self, _: web.Request) -> web.Response:
        """Conditions that need attention."""
        await self._view.prepare()
        return _json(list(state.problems(self._view)))

    async def config(self, _: web.Request) -> web.Response:
        """The options in force."""
        return _json(self._view.config)

    async def openapi(self, _: web.Request) -> web.Response:
        """The OpenAPI document."""
        return _json(DOCUMENT)

    async def history(self, request: web.Request) -> web.Response:
        """The last changes."""
        since = _number(request.query.get("since", "0"), "since")
        found = self._view.history.since(since, service=request.query.get("service", ""))
        return _json([entry.as_dict() for entry in found])

    async def samples(self, _: web.Request) -> web.Response:
        """Fifteen minutes of traffic, by service."""
        rings = self._view.samples.services
        return _json(
            {name: [s.as_dict() for s in rings[name]] for name in self._view.rows.services if name in rings}
        )

    async def explain(self, request: web.Request) -> web.Response:
        """The route and the backend that a request would get, and why."""
        await self._view.prepare()
        query = request.query
        result = explain(
            self._view,
            query.get("host", ""),
            query.get("target", "/"),
            query.get("method", "GET"),
            query.getall("header", []),
        )
        return _json(result)

    async def list_routes(self, request: web.Request) -> web.Response:
        """A page of the routes in force."""
        await self._view.prepare()
        query = request.query
        page = routes(
            self._view,
            service=query.get("service", ""),
            host=query.get("host", ""),
            offset=_number(query.get("offset", "0"), "offset"),
            limit=_number(query.get("limit", "100"), "limit"),
        )
        return _json(page)

    async def declarations(self, _: web.Request) -> web.Response:
        """All declarations of routes, as control sends them to the workers."""
        return web.Response(body=self._view.declarations(), content_type="application/json")

    async def requests(self, _: web.Request) -> web.Response:
        """The recorded requests, equal ones once with their number."""
        recorded = self._view.requests
        counts = Counter(map(tuple, recorded or ()))
        return _json(
            {
                "recording": recorded is not None,
                "requests": [(*request, count) for request, count in counts.items()],
            }
        )

    async def events(self, request: web.Request) -> web.StreamResponse:
        """Server-sent events: the state every second, and each new entry of the history."""
        if not self._streams:
            _refuse(web.HTTPServiceUnavailable, "too many event streams")
        response = web.StreamResponse(
            headers={"Content-Type": "text/event-stream", "X-Accel-Buffering": "no"}
        )
        self._streams -= 1
        try:
            await response.prepare(request)
            await self._stream(request, response)
        except ConnectionError:
            pass  # The client has disconnected.
        finally:
            self._streams += 1
        return response

    async def _stream(self, request: web.Request, response: web.StreamResponse) -> None:
        history, changed, sent = self._view.history, asyncio.Event(), 0
        history.listeners.add(changed.set)
        try:
            while not self._ended.is_set():
                changed.clear()
                await self._view.prepare()
                await response.write(_event("state", state.state(self._view, time())))
                # The times of recent entries may still change, so the last 20 are sent again.
                entries = [e.as_dict() for e in history.since(max(0, sent - 20))]
                sent = history.entries[-1].number if history.entries else 0
                await response.write(_event("history", entries))
                restart_timeout(request)
                await self._wait(changed)
        finally:
            history.listeners.discard(changed.set)

    async def overrides(self, _: web.Request) -> web.Response:
        """The overrides in force."""
        return _json([state.described(override) for override in self._view.overrides.values()])

    async def decide(self, request: web.Request) -> web.Response:
        """Create an override."""
        body = await _body(request)
        wanted = _read_decision(body)
        if wanted["service"]:
            self._find(wanted["service"], wanted["backend"])
        made = self._store.decide(**wanted, client=_client(request))
        return _json(state.described(made), status=201)

    def _find(self, service: str, backend: str) -> None:
        """Refuse an override of a service or backend that does not exist."""
        if service not in self._view.rows.services:
            _refuse(web.HTTPNotFound, f"there is no service {service!r}")
        known = {
            name
            for row in state.backends(self._view)
            if row["service"] == service
            for name in (row["id"], row["address"])
        }
        if backend and backend not in known:
            _refuse(web.HTTPNotFound, f"service {service} has no backend {backend!r}")

    async def revoke(self, request: web.Request) -> web.Response:
        """Revoke an override."""
        number = _number(request.match_info["id"], "id")
        ended = self._store.revoke(number, client=_client(request))
        if ended is None:
            _refuse(web.HTTPNotFound, f"there is no override {number}")
        return _json(state.described(ended))

    async def _wait(self, changed: asyncio.Event) -> None:
        try:
            async with asyncio.timeout(TICK):
                await changed.wait()
        except TimeoutError:
            pass


NEEDS = {
    Action.DRAIN: {"service", "backend"},
    Action.EJECT: {"service", "backend"},
    Action.RESTORE: {"service", "backend"},
    Action.WEIGHT: {"service", "backend", "weight"},
    Action.MAINTENANCE: {"service"},
    Action.POLICY: {"service", "policy"},
    Action.LOG_LEVEL: {"level"},
}
"""The fields that an override needs besides its action. `seconds` and `reason` are optional."""


def _read_decision(body: dict[str, Any]) -> dict[str, Any]:
    """Validate the fields of an override."""
    actions = [action.value for action in Action]
    action = body.get("action")
    if action not in actions:
        _refuse(web.HTTPBadRequest, f"action: got {action!r}, expected one of {', '.join(actions)}")
    needs = {"action"} | NEEDS[Action(action)]
    if missing := needs - body.keys():
        _refuse(web.HTTPBadRequest, f"{action}: {', '.join(sorted(missing))} missing")
    if extra := body.keys() - needs - {"reason", "seconds"}:
        _refuse(web.HTTPBadRequest, f"{action}: {', '.join(sorted(extra))} not known")
    for name in ("service", "backend", "reason"):
        value = body.get(name, "-")
        if not isinstance(value, str) or len(value) > MAX_TEXT or (not value and name != "reason"):
            _refuse(web.HTTPBadRequest, f"{name}: expected a text of at most {MAX_TEXT} characters")
    weight, seconds = body.get("weight", 0), body.get("seconds")
    if type(weight) not in (int, float) or not 0 <= weight <= MAX_WEIGHT or weight != int(weight):
        _refuse(web.HTTPBadRequest, f"weight: expected a whole number from 0 to {MAX_WEIGHT}")
    policy = body.get("policy", "")
    if "policy" in body and policy not in POLICIES:
        _refuse(web.HTTPBadRequest, f"policy: got {policy!r}, expected one of {', '.join(POLICIES)}")
    level = body.get("level", "")
    if "level" in body and level not in LEVELS:
        _refuse(web.HTTPBadRequest, f"level: got {level!r}, expected one of {', '.join(LEVELS)}")
    if "seconds" in body and (type(seconds) not in (int, float) or not 1 <= seconds <= MAX_SECONDS):  # type: ignore[operator]
        _refuse(web.HTTPBadRequest, f"seconds: expected a number from 1 to {MAX_SECONDS}")
    return {
        "service": body.get("service", ALL_OF_PYLB),
        "action": Action(action),
        "backend": body.get("backend", ""),
        "weight": int(weight),
        "policy": policy,
        "level": level,
        # It is written to the log.
        "reason": "".join(c if c.isprintable() else "?" for c in body.get("reason", "")),
        "seconds": seconds,
    }


async def _body(request: web.Request) -> dict[str, Any]:
    """The JSON object of the request body.

    The content type must be JSON. This keeps out forms of other sites: a browser sends such a request across
    sites only after a CORS preflight, which fails.
    """
    if request.content_type != "application/json":
        _refuse(web.HTTPUnsupportedMediaType, "expected Content-Type: application/json")
    try:
        body = orjson.loads(await request.read())
    except orjson.JSONDecodeError as error:
        _refuse(web.HTTPBadRequest, f"the body is not JSON: {error}")
    except ConnectionError:
        _refuse(web.HTTPBadRequest, "the connection ended inside the body")
    if not isinstance(body, dict):
        _refuse(web.HTTPBadRequest, "expected a JSON object")
    return body


def _number(text: str, name: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 10 and int(text) <= MAX_NUMBER):
        _refuse(web.HTTPBadRequest, f"{name}: got {text!r}, expected a whole number up to {MAX_NUMBER}")
    return int(text)


def _client(request: web.Request) -> str:
    return request.remote or "unix"


def _refuse(kind: type[web.HTTPError], reason: str) -> NoReturn:
    raise kind(text=orjson.dumps({"error": reason}).decode(), content_type="application/json")


def _event(name: str, content: object) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (name.encode(), orjson.dumps(content))


def _json(content: object, *, status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(content), status=status, content_type="application/json")
