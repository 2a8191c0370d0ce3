"""The OpenAPI document of the API. Tests compare the API with it.

Rules: each field has a description. Limits that the API checks are constants of this file.
"""

from __future__ import annotations

from typing import Any

from pylb import __version__
from pylb.policy.balance import BALANCERS
from pylb.policy.overrides import Action

MAX_TEXT = 200
"""Characters of a name or a reason, at most."""
MAX_WEIGHT = 65_535
"""Consul's limit of a weight."""
MAX_SECONDS = 31_536_000
"""A year. A change that lasts longer belongs in the registry."""
MAX_NUMBER = 2**31
"""Upper bound of the number of an override or a history entry."""
POLICIES = tuple(BALANCERS)
PROTOCOLS = ["http1", "h2", "auto"]
LEVELS = ("debug", "info", "warning", "error")

Schema = dict[str, Any]


def _object(required: dict[str, Schema], **more: Schema) -> Schema:
    return {"type": "object", "required": list(required), "properties": required | more}


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _answer(schema: Schema, text: str = "Success.") -> Schema:
    return {"description": text, "content": {"application/json": {"schema": schema}}}


TEXT: Schema = {"type": "string"}
NUMBER: Schema = {"type": "number"}
COUNT: Schema = {"type": "integer", "minimum": 0}
MAYBE: Schema = {"type": ["number", "null"]}
TEXTS = _list(TEXT)
ERROR = _object({"error": TEXT})


def _about(schema: Schema, text: str) -> Schema:
    """The schema of a field with its description."""
    return {**schema, "description": text}


SERVICE_NAME = _about(TEXT, "Name of the service.")
ID = _about(TEXT, "Id of the instance in the registry.")
UNTRUSTED = _about(TEXT, "Why the last answer of the registry is not trusted; empty if it is.")
CAUSE = _about(TEXT, "What caused the last change.")

SAMPLE = _object(
    {
        "time": _about(NUMBER, "Seconds since the epoch."),
        "requests": _about(NUMBER, "Requests per second."),
        "errors": _about(NUMBER, "Responses with 5xx per second."),
        "received": _about(NUMBER, "Bytes of request bodies per second."),
        "sent": _about(NUMBER, "Bytes of response bodies per second."),
        "p50": _about(MAYBE, "Median request duration in seconds; null without requests."),
        "p99": _about(MAYBE, "99th percentile of the request duration in seconds; null without requests."),
    }
)
SERVICE = _object(
    {
        "service": SERVICE_NAME,
        "generation": _about(COUNT, "Number of changes that were applied to the pool."),
        "age_seconds": _about(MAYBE, "Seconds since the registry last answered; null if it never has."),
        "instances": _about(COUNT, "Instances that can receive requests."),
        "retained": _about(COUNT, "Instances that stay although the registry no longer lists them."),
    },
    policy=_about({"enum": list(POLICIES)}, "Balancing policy in force."),
    untrusted_reason=UNTRUSTED,
    error=_about(TEXT, "Why the registry could not be queried; empty after a success."),
    cause=CAUSE,
    observed=_about(MAYBE, "When the registry sent the current list, in seconds since the epoch."),
)
BACKEND = _object(
    {
        "service": SERVICE_NAME,
        "id": ID,
        "address": _about(TEXT, "Host and port."),
        "state": _about(
            {
                "enum": [
                    *("up", "suspect", "ejected", "half-open", "failed"),
                    *("draining", "gone", "drained", "out"),
                ]
            },
            "up: receives requests. suspect: a connection failed. ejected: requests failed in a row. "
            "half-open: after that, one trial request at a time. failed: probes fail. "
            "draining: removed, finishing its requests. gone: removed. drained: excluded by an operator. "
            "out: excluded by the registry's data.",
        ),
        "why": _about(TEXT, "Reason for the state."),
        "weight": _about(NUMBER, "Share of traffic relative to the other backends."),
        "in_flight": _about(COUNT, "Requests in flight."),
        "requests": _about(_list(NUMBER), "Requests per second, one value per sample."),
        "p99": _about(
            _list(MAYBE), "99th percentile of the request duration in seconds, one value per sample."
        ),
    },
    protocol=_about({"enum": PROTOCOLS}, "HTTP version of its connections; auto: not chosen yet."),
    priority=_about(COUNT, "Its tier: those with the lowest number receive requests first."),
    zone=_about(TEXT, "Zone that it runs in; empty if unknown."),
    http2_connections=_about(COUNT, "Open connections to it with HTTP/2."),
    http2_streams=_about(COUNT, "Requests on these connections."),
)
WORKER = _object(
    {
        "name": _about(TEXT, "Name of the worker, as in the log."),
        "pid": _about(COUNT, "Process id."),
        "generation": _about(COUNT, "Generation of processes; a reload increments it."),
        "applied": _about(
            {"type": "object", "additionalProperties": COUNT},
            "Generation that the worker has applied, by service.",
        ),
        "heartbeat_age": _about(NUMBER, "Seconds since the last heartbeat."),
    }
)
PROBLEM = _object(
    {
        "severity": {"enum": ["error", "warning"]},
        "service": _about(TEXT, "Service that is affected; empty if the process is."),
        "text": _about(TEXT, "The condition, as one sentence."),
        "about": _about({"enum": ["", "routes"]}, "`routes` if a declaration of routes is wrong."),
    }
)
ROUTE_ROW = _object(
    {
        "match": _about(TEXT, "Host and path."),
        "route": _about(TEXT, "The route as in --service, without the service."),
        "service": SERVICE_NAME,
        "source": _about(TEXT, "Where it is declared."),
        "blocked": _about(TEXT, "Why pylb answers its requests with 503; empty if it serves them."),
        "priority": _about({"type": ["integer", "null"]}, "Of an imported rule of Traefik: its priority."),
        "requests": _about(COUNT, "Requests since the start; 0 without --route-metrics."),
        "errors": _about(COUNT, "Those answered with 5xx."),
    }
)
ENTRY = _object(
    {
        "number": _about(COUNT, "Number of the entry; increases by one."),
        "time": _about(NUMBER, "Seconds since the epoch."),
        "service": SERVICE_NAME,
        "generation": _about(COUNT, "Generation of the pool after the change."),
        "cause": CAUSE,
        "added": _about(TEXTS, "Backends that were added."),
        "changed": _about(TEXTS, "Backends that were changed."),
        "removed": _about(TEXTS, "Backends that were removed."),
        "instances": _about(COUNT, "Backends after the change."),
        "untrusted_reason": UNTRUSTED,
        "applied": _about(
            MAYBE, "Seconds from the registry's answer until all pools had applied the change."
        ),
        "routed": _about(
            MAYBE, "Seconds from the registry's answer to the first request to an added backend."
        ),
    }
)
OVERRIDE = _object(
    {
        "id": _about(COUNT, "Id, to revoke the override by."),
        "service": _about(TEXT, "Service; empty for the log level."),
        "action": {"enum": [action.value for action in Action]},
        "backend": _about(TEXT, "Id or address of the backend; empty if the action has none."),
        "weight": _about(COUNT, "For `weight`: the weight."),
        "policy": _about({"enum": ["", *POLICIES]}, "For `policy`: the policy."),
        "level": _about({"enum": ["", *LEVELS]}, "For `log-level`: the level."),
        "reason": _about(TEXT, "Reason that the operator gave."),
        "since": _about(NUMBER, "When it was created, in seconds since the epoch."),
        "expires": _about(MAYBE, "When it expires, in seconds since the epoch; null: when it is revoked."),
    }
)
STATE = _object(
    {
        "time": _about(NUMBER, "Seconds since the epoch."),
        "version": _about(TEXT, "Version of pylb."),
        "state": _about(TEXT, "State of the process, such as serving or draining."),
        "connections": _about(COUNT, "Connected clients."),
        "http2_connections": _about(COUNT, "Connected clients with HTTP/2."),
        "http2_streams": _about(COUNT, "Requests in progress of clients with HTTP/2."),
        "services": _list(SERVICE),
        "backends": _list(BACKEND),
        "problems": _list(PROBLEM),
        "overrides": _list(OVERRIDE),
    }
)
SETTING = _object(
    {
        "name": _about(TEXT, "Name of the option."),
        "value": _about(TEXT, "Value in force, as a user types it; empty if there is none."),
        "origin": _about(
            TEXT,
            "Where it is declared: `default`, an option of pylb (or its variable) such as `--policy`, "
            "`--service`, a file with its line, a key, the catalog, or an override.",
        ),
    }
)
ROUTE = _object(
    {
        "route": _about(TEXT, "The route, as a value of `--service`."),
        "source": _about(TEXT, "Where the route is declared."),
        "settings": _about(_list(SETTING), "Settings of requests that only this route has."),
    }
)
SERVICE_DETAILS = _object(
    {
        "service": SERVICE_NAME,
        "backends": _about(TEXT, "Fixed backends; empty for those of the registry."),
        "settings": _about(_list(SETTING), "Every setting of the service, in force."),
        "routes": _list(ROUTE),
    }
)
CANDIDATE = _object(
    {
        "route": _about(TEXT, "The route, as a value of `--service`."),
        "source": _about(TEXT, "Where the route is declared."),
        "wins": {"type": "boolean"},
        "why": _about(TEXT, "Why the route receives the request or does not."),
    }
)

EXPLAIN_RESULT = _object(
    {
        "service": _about(
            {"type": ["string", "null"]}, "Service whose route matches; null: no route matches."
        ),
        "why": _about(TEXT, "Policy and number of candidates, or the reason why there is no backend."),
        "winner": _about({"type": ["string", "null"]}, "Address of the backend that the next request gets."),
        "routes": _list(CANDIDATE),
    },
    target=_about(
        {"type": ["string", "null"]},
        "Path and query that a backend receives; null: the route refuses the path.",
    ),
    changes=_about(
        _list(TEXT),
        "Host and header fields that the route changes in request and response, as in its grammar.",
    ),
    settings=_about(_list(SETTING), "Settings of the request, in force; absent if no backend receives it."),
)


def _override(action: str, **about: Schema) -> Schema:
    shape = _object(
        {"action": {"const": action}, **about},
        reason={"type": "string", "maxLength": MAX_TEXT},
        seconds={"type": "number", "minimum": 1, "maximum": MAX_SECONDS},
    )
    return {**shape, "additionalProperties": False}


_NAME: Schema = {"type": "string", "minLength": 1, "maxLength": MAX_TEXT}
OVERRIDE_REQUEST: Schema = {
    "oneOf": [
        _override("drain", service=_NAME, backend=_NAME),
        _override("eject", service=_NAME, backend=_NAME),
        _override("restore", service=_NAME, backend=_NAME),
        _override("weight", service=_NAME, backend=_NAME, weight={**COUNT, "maximum": MAX_WEIGHT}),
        _override("maintenance", service=_NAME),
        _override("policy", service=_NAME, policy={"enum": list(POLICIES)}),
        _override("log-level", level={"enum": list(LEVELS)}),
    ]
}


def _read(summary: str, schema: Schema, **query: Schema) -> Schema:
    parameters = [{"name": name, "in": "query", "schema": each} for name, each in query.items()]
    answers = {"200": _answer(schema)}
    if query:
        answers["400"] = _answer(ERROR, "A parameter is invalid.")
    return {"get": {"summary": summary, "parameters": parameters, "responses": answers}}


def _change(summary: str, answers: dict[str, Schema], body: Schema | None = None) -> Schema:
    change: Schema = {
        "summary": summary,
        "security": [{}, {"token": []}],
        "responses": answers
        | {
            "400": _answer(ERROR, "The request is invalid."),
            "401": _answer(ERROR, "The token is missing or wrong."),
            "403": _answer(ERROR, "Changes are not accepted from this client or site."),
            "404": _answer(ERROR, "The service, backend or override does not exist."),
            "415": _answer(ERROR, "The Content-Type is not application/json."),
        },
    }
    if body:
        change["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    return change


DOCUMENT: Schema = {
    "openapi": "3.1.0",
    "info": {
        "title": "pylb",
        "version": __version__,
        "summary": "State of a pylb, and overrides by operators.",
    },
    "components": {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
    "paths": {
        "/api/state": _read("The current state: services, backends, problems and overrides.", STATE),
        "/api/services": _read("Each service, with the freshness of its backend list.", _list(SERVICE)),
        "/api/services/{service}": {
            "get": {
                "summary": "One service: its routes and effective settings, each with where it is declared.",
                "parameters": [{"name": "service", "in": "path", "required": True, "schema": _NAME}],
                "responses": {
                    "200": _answer(SERVICE_DETAILS),
                    "404": _answer(ERROR, "The service does not exist."),
                },
            }
        },
        "/api/backends": _read("Every instance with its state and the reason for it.", _list(BACKEND)),
        "/api/workers": _read("The worker processes.", _list(WORKER)),
        "/api/problems": _read(
            "Conditions that need an operator's attention; empty when all is well.", _list(PROBLEM)
        ),
        "/api/config": _read(
            "The options in force, without secrets.", {"type": "object", "additionalProperties": TEXT}
        ),
        "/api/history": _read(
            "The last changes of backend pools, oldest first.",
            _list(ENTRY),
            since={**COUNT, "maximum": MAX_NUMBER, "default": 0},
            service={**TEXT, "default": ""},
        ),
        "/api/samples": _read(
            "Traffic of the last 15 minutes, by service.",
            {"type": "object", "additionalProperties": _list(SAMPLE)},
        ),
        "/api/explain": _read(
            "The route and the backend that a request would get, and why. Changes nothing.",
            EXPLAIN_RESULT,
            host=TEXT,
            target={**TEXT, "default": "/"},
            method={**TEXT, "default": "GET"},
            header=_list(TEXT),
        ),
        "/api/routes": _read(
            "A page of the routes in force, in the order of precedence.",
            {
                "type": "object",
                "properties": {
                    "generation": COUNT,
                    "total": COUNT,
                    "matching": COUNT,
                    "offset": COUNT,
                    "counted": {"type": "boolean"},
                    "routes": _list(ROUTE_ROW),
                },
            },
            service={**TEXT, "default": ""},
            host={**TEXT, "default": ""},
            offset={**COUNT, "maximum": MAX_NUMBER, "default": 0},
            limit={**COUNT, "maximum": MAX_NUMBER, "default": 100},
        ),
        "/api/declarations": _read(
            "All declarations of routes, as control sends them to the workers. `pylb plan` reads them.",
            {
                "type": "object",
                "properties": {
                    "generation": COUNT,
                    "changed": {"type": "object", "additionalProperties": {"type": "object"}},
                    "complete": {"type": "boolean"},
                },
            },
        ),
        "/api/requests": _read(
            "The requests that --record-requests keeps: method, host, path, service and number of each.",
            {
                "type": "object",
                "properties": {"recording": {"type": "boolean"}, "requests": _list(_list({}))},
            },
        ),
        "/api/overrides": {
            **_read("The overrides in force.", _list(OVERRIDE)),
            "post": _change(
                "Create an override of a backend, a service or the log level.",
                {"201": _answer(OVERRIDE)},
                OVERRIDE_REQUEST,
            ),
        },
        "/api/overrides/{id}": {
            "delete": {
                **_change("Revoke an override.", {"200": _answer(OVERRIDE)}),
                "parameters": [
                    {"name": "id", "in": "path", "required": True, "schema": {**COUNT, "maximum": MAX_NUMBER}}
                ],
            }
        },
    },
}
