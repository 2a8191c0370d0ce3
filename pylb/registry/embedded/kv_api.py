"""Handlers of `/v1/kv`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar
from urllib.parse import urlencode

from aiohttp import web

from pylb.registry.embedded.blocking import Answer, Changes
from pylb.registry.embedded.definitions import RequestError
from pylb.registry.embedded.exchange import (
    answer_headers,
    check_datacenter,
    get,
    json_response,
    read_options,
)
from pylb.registry.embedded.kv import KeyValues, branches
from pylb.registry.embedded.literals import LiteralError, parse_uint
from pylb.registry.embedded.views import kv_entry

T = TypeVar("T")

MAX_VALUE = 512 * 1024
SESSION_ID_LENGTH = 36

_RAW_HEADERS = {"Content-Security-Policy": "sandbox", "X-Content-Type-Options": "nosniff"}


class KvApi:
    """Handlers that read and write one store."""

    def __init__(self, store: KeyValues, changes: Changes) -> None:
        self._store = store
        self._changes = changes

    def routes(self) -> list[web.RouteDef]:
        """Return the paths with their handlers."""
        return [
            get("/v1/kv/{key:.*}", self.read),
            web.put("/v1/kv/{key:.*}", self.write),
            web.delete("/v1/kv/{key:.*}", self.delete),
        ]

    async def read(self, request: web.Request) -> web.Response:
        """Return one entry, all under a prefix (`?recurse`), or their keys (`?keys`)."""
        if "keys" in request.query:
            return await self._read_keys(request)
        if "recurse" in request.query:
            return await self._read_all(request)
        key = _key(request)
        answer = await self._settle(request, lambda: self._store.get(key))
        headers = answer_headers(answer)
        entry = answer.content
        if entry is None:
            return web.Response(status=404, headers=headers)
        if "raw" in request.query:
            return web.Response(body=entry.value, content_type="text/plain", headers=headers | _RAW_HEADERS)
        return json_response(request, [kv_entry(entry)], headers)

    async def _read_all(self, request: web.Request) -> web.Response:
        prefix = request.match_info["key"]
        answer = await self._settle(request, lambda: self._store.under(prefix))
        if not answer.content:
            return web.Response(status=404, headers=answer_headers(answer))
        return json_response(request, [kv_entry(entry) for entry in answer.content], answer_headers(answer))

    async def _read_keys(self, request: web.Request) -> web.Response:
        prefix, separator = request.match_info["key"], request.query.get("separator", "")
        answer = await self._settle(request, lambda: self._store.under(prefix))
        if not answer.content and prefix:
            return web.Response(status=404, headers=answer_headers(answer))
        keys = branches(answer.content, prefix, separator)
        return json_response(request, keys, answer_headers(answer))

    async def _settle(self, request: web.Request, query: Callable[[], Answer[T]]) -> Answer[T]:
        options = read_options(request)
        return await self._changes.settle(query, options.index, options.wait)

    async def write(self, request: web.Request) -> web.Response:
        """Store a value; with `?cas`, only if the modify index is the given one."""
        check_datacenter(request)
        key = _key(request)
        _refuse_conflicts(request, "cas", "acquire", "release")
        flags, expected = _number(request, "flags") or 0, _number(request, "cas")
        if "acquire" in request.query:
            raise _unknown_session(request.query["acquire"])
        value = await request.read()
        if len(value) > MAX_VALUE:
            size = f"Request body({len(value)} bytes) too large, max size: {MAX_VALUE} bytes."
            raise RequestError(f"{size} See the agent's option kv_max_value_size.", status=413)
        if "release" in request.query:  # there are no sessions, so there is no lock to release
            return json_response(request, content=False)
        return json_response(request, self._store.put(key, value, flags, expected))

    async def delete(self, request: web.Request) -> web.Response:
        """Remove a key, or all under a prefix (`?recurse`)."""
        check_datacenter(request)
        _refuse_conflicts(request, "recurse", "cas")
        if "recurse" in request.query:
            self._store.delete_tree(request.match_info["key"])
            return json_response(request, content=True)
        return json_response(request, self._store.delete(_key(request), _number(request, "cas")))


def _key(request: web.Request) -> str:
    key = request.match_info["key"]
    if not key:
        raise RequestError("Missing key name")
    return key


def _number(request: web.Request, name: str) -> int | None:
    text = request.query.get(name)
    if text is None:
        return None
    try:
        return parse_uint(text)
    except LiteralError as error:
        raise RequestError(str(error), status=500) from error


def _refuse_conflicts(request: web.Request, *names: str) -> None:
    if sum(name in request.query for name in names) > 1:
        raise RequestError(f"Conflicting flags: {urlencode(sorted(request.query.items()))}")


def _unknown_session(session: str) -> RequestError:
    if len(session) != SESSION_ID_LENGTH:
        return RequestError("failed session lookup: index error: UUID must be 36 characters", status=500)
    return RequestError(f'invalid session "{session}"', status=500)
