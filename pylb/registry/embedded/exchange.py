"""HTTP the way Consul's agent speaks it: what a query string may ask for, JSON, errors, and its headers."""

from __future__ import annotations

import functools
import posixpath
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
from aiohttp import hdrs, web

from pylb.registry.embedded.blocking import Answer
from pylb.registry.embedded.definitions import RequestError
from pylb.registry.embedded.literals import LiteralError, parse_bool, parse_duration, parse_uint

DATACENTER = "dc1"

get = functools.partial(web.get, allow_head=False)
"""A route for GET alone: Consul does not answer HEAD."""

_METHODS = ("GET", "PUT", "DELETE")


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """What the query string of a read asks for."""

    index: int = 0
    """Answer when there is something newer than this; 0 means at once."""
    wait: float = 0.0
    """Seconds to wait for that at most; 0 or less means Consul's default."""
    consistency: str = "leader"
    tags: tuple[str, ...] = ()
    """Every one of them must an instance have."""
    node_meta: Mapping[str, str] = field(default_factory=dict)
    """Every one of these pairs must a node have."""


def read_options(request: web.Request) -> ReadOptions:
    """The options of a read.

    Raises:
        RequestError: one is malformed, or contradicts another.
    """
    query = request.query
    check_datacenter(request)
    return ReadOptions(
        index=_index(query.get("index", "")),
        wait=_wait(query.get("wait", "")),
        consistency=_consistency(query),
        tags=tuple(query.getall("tag", ())),
        node_meta={key: value for key, _, value in (p.partition(":") for p in query.getall("node-meta", ()))},
    )


def check_datacenter(request: web.Request) -> None:
    """Refuse what can only be found elsewhere.

    Raises:
        RequestError: it asks for another datacenter, or for a namespace.
    """
    if "ns" in request.query:
        problem = 'Invalid query parameter: "ns" - Namespaces are a Consul Enterprise feature'
        raise RequestError(f"Bad request: {problem}")
    if request.query.get("dc", "") not in ("", DATACENTER):
        raise RequestError("No path to datacenter", status=500)


def flag(request: web.Request, name: str) -> bool:
    """Whether a switch is on that counts as on without a value.

    Raises:
        RequestError: its value is neither true nor false.
    """
    text = request.query.get(name)
    if not text:
        return text is not None
    try:
        return parse_bool(text)
    except LiteralError as error:
        raise RequestError(f"Invalid value for ?{name}") from error


def reject_filter(request: web.Request) -> None:
    """Reject a filter expression: ignoring it would return entries that the client does not expect.

    Raises:
        RequestError: the query string has a `filter` that is not empty.
    """
    if request.query.get("filter"):
        raise RequestError("The embedded registry does not implement filter expressions", status=501)


def json_response(
    request: web.Request, content: Any, headers: Mapping[str, str] | None = None
) -> web.Response:
    """An answer in JSON, indented if `?pretty` was asked for."""
    option = orjson.OPT_INDENT_2 if "pretty" in request.query else 0
    body = orjson.dumps(content, option=option | orjson.OPT_APPEND_NEWLINE)
    return web.Response(body=body, content_type="application/json", headers=headers)


def answer_headers(answer: Answer[Any], consistency: str = "") -> dict[str, str]:
    """What a client needs for its next blocking query, and how far it may trust this answer."""
    headers = {
        "X-Consul-Index": str(answer.index),
        "X-Consul-KnownLeader": "true",
        "X-Consul-LastContact": "0",
    }
    if consistency:
        headers["X-Consul-Effective-Consistency"] = consistency
    return headers


@web.middleware
async def like_consul(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Turn refusals, unknown paths and unknown methods into Consul's answers to them."""
    path = request.rel_url.raw_path
    if path != (cleaned := _cleaned(path)):
        return web.Response(status=301, headers={hdrs.LOCATION: cleaned})
    try:
        return await handler(request)
    except RequestError as refusal:
        return web.Response(text=str(refusal), status=refusal.status)
    except web.HTTPMethodNotAllowed as error:
        allowed = {hdrs.ALLOW: ",".join(["OPTIONS", *(m for m in _METHODS if m in error.allowed_methods)])}
        if request.method == hdrs.METH_OPTIONS:
            return web.Response(headers=allowed)
        return web.Response(text=f"method {request.method} not allowed", status=405, headers=allowed)
    except web.HTTPNotFound:
        return web.Response(status=404)


def _cleaned(path: str) -> str:
    """A path without empty parts and dots, as Go's router insists on."""
    cleaned = posixpath.normpath("/" + path.lstrip("/"))
    return f"{cleaned}/" if path.endswith("/") and cleaned != "/" else cleaned


def _index(text: str) -> int:
    try:
        return parse_uint(text) if text else 0
    except LiteralError as error:
        raise RequestError("Invalid index") from error


def _wait(text: str) -> float:
    try:
        return parse_duration(text) if text else 0.0
    except LiteralError as error:
        raise RequestError("Invalid wait time") from error


def _consistency(query: Mapping[str, str]) -> str:
    stale = "stale" in query
    if "max_stale" in query:
        stale = True
        try:
            parse_duration(query["max_stale"])
        except LiteralError as error:
            raise RequestError(f'Invalid max_stale value "{query["max_stale"]}"') from error
    for loose, given in (("stale", stale), ("cached", "cached" in query)):
        if given and "consistent" in query:
            raise RequestError(f"Cannot specify ?{loose} with ?consistent, conflicting semantics.")
    return "stale" if stale else "consistent" if "consistent" in query else "leader"
