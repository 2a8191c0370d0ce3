"""HTTP as in Consul's agent: read options, JSON answers, errors and headers."""

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
"""Makes a route for GET without HEAD, which Consul does not answer."""

_METHODS = ("GET", "PUT", "DELETE")


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """The read options in a query string."""

    index: int = 0
    """Wait for an answer with a greater index; 0 means no wait."""
    wait: float = 0.0
    """Longest wait in seconds; 0 or less means Consul's default."""
    consistency: str = "leader"
    tags: tuple[str, ...] = ()
    """Tags that an instance must have, all of them."""
    node_meta: Mapping[str, str] = field(default_factory=dict)
    """Pairs that the meta data of a node must have, all of them."""


def read_options(request: web.Request) -> ReadOptions:
    """Parse the read options of a request.

    Raises:
        RequestError: an option is malformed, or contradicts another.
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
    """Reject requests for data that this registry does not have.

    Raises:
        RequestError: the request names another datacenter, or a namespace.
    """
    if "ns" in request.query:
        problem = 'Invalid query parameter: "ns" - Namespaces are a Consul Enterprise feature'
        raise RequestError(f"Bad request: {problem}")
    if request.query.get("dc", "") not in ("", DATACENTER):
        raise RequestError("No path to datacenter", status=500)


def flag(request: web.Request, name: str) -> bool:
    """Return a boolean parameter; present without a value, it is True.

    Raises:
        RequestError: the value is not a boolean.
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
    """Return an answer in JSON, indented if the request has `?pretty`."""
    option = orjson.OPT_INDENT_2 if "pretty" in request.query else 0
    body = orjson.dumps(content, option=option | orjson.OPT_APPEND_NEWLINE)
    return web.Response(body=body, content_type="application/json", headers=headers)


def answer_headers(answer: Answer[Any], consistency: str = "") -> dict[str, str]:
    """Return the headers for the next blocking query and for the consistency of the answer."""
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
    """Convert errors, unknown paths and unknown methods into the answers of Consul."""
    path = request.rel_url.raw_path
    if path != (cleaned := _cleaned(path)):
        return web.Response(status=301, headers={hdrs.LOCATION: cleaned})
    try:
        return await handler(request)
    except RequestError as error:
        return web.Response(text=str(error), status=error.status)
    except web.HTTPMethodNotAllowed as error:
        allowed = {hdrs.ALLOW: ",".join(["OPTIONS", *(m for m in _METHODS if m in error.allowed_methods)])}
        if request.method == hdrs.METH_OPTIONS:
            return web.Response(headers=allowed)
        return web.Response(text=f"method {request.method} not allowed", status=405, headers=allowed)
    except web.HTTPNotFound:
        return web.Response(status=404)


def _cleaned(path: str) -> str:
    """Return the path without empty and dot segments, to which Go's router redirects."""
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
