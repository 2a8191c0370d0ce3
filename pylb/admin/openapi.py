"""The API in OpenAPI's words, for programs; tests hold the API to it."""

from __future__ import annotations

from typing import Any

from pylb import __version__
from pylb.policy.balance import BALANCERS
from pylb.policy.overrides import Action

MAX_TEXT = 200
"""Characters."""
MAX_WEIGHT = 65_535
"""Consul's own limit."""
MAX_SECONDS = 31_536_000
"""A year: what is to hold for longer belongs into the registry."""
MAX_NUMBER = 2**31
"""Of an override or of an entry of the history."""
POLICIES = tuple(BALANCERS)
LEVELS = ("debug", "info", "warning", "error")

Schema = dict[str, Any]


def _object(required: dict[str, Schema], **more: Schema) -> Schema:
    return {"type": "object", "required": list(required), "properties": required | more}


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _answer(schema: Schema, text: str = "As asked.") -> Schema:
    return {"description": text, "content": {"application/json": {"schema": schema}}}


TEXT: Schema = {"type": "string"}
NUMBER: Schema = {"type": "number"}
COUNT: Schema = {"type": "integer", "minimum": 0}
MAYBE: Schema = {"type": ["number", "null"]}
TEXTS = _list(TEXT)
ERROR = _object({"error": TEXT})

SAMPLE = _object(
    {
        "time": NUMBER,
        "requests": NUMBER,
        "errors": NUMBER,
        "received": NUMBER,
        "sent": NUMBER,
        "p50": MAYBE,
        "p99": MAYBE,
    }
)
SERVICE = _object(
    {"service": TEXT, "generation": COUNT, "age_seconds": MAYBE, "instances": COUNT, "retained": COUNT},
    policy={"enum": list(POLICIES)},
    untrusted_reason=TEXT,
    error=TEXT,
    cause=TEXT,
    observed=MAYBE,
)
BACKEND = _object(
    {
        "service": TEXT,
        "id": TEXT,
        "address": TEXT,
        "state": {
            "enum": [
                *("up", "suspect", "ejected", "probation", "failed"),
                *("draining", "gone", "drained", "out"),
            ]
        },
        "why": TEXT,
        "weight": NUMBER,
        "in_flight": COUNT,
        "requests": _list(NUMBER),
        "p99": _list(MAYBE),
    }
)
WORKER = _object(
    {
        "name": TEXT,
        "pid": COUNT,
        "generation": COUNT,
        "applied": {"type": "object", "additionalProperties": COUNT},
        "heartbeat_age": NUMBER,
    }
)
PROBLEM = _object({"severity": {"enum": ["error", "warning"]}, "service": TEXT, "text": TEXT})
ENTRY = _object(
    {
        "number": COUNT,
        "time": NUMBER,
        "service": TEXT,
        "generation": COUNT,
        "cause": TEXT,
        "added": TEXTS,
        "changed": TEXTS,
        "removed": TEXTS,
        "instances": COUNT,
        "untrusted_reason": TEXT,
        "applied": MAYBE,
        "routed": MAYBE,
    }
)
OVERRIDE = _object(
    {
        "id": COUNT,
        "service": TEXT,
        "action": {"enum": [action.value for action in Action]},
        "backend": TEXT,
        "weight": COUNT,
        "policy": {"enum": ["", *POLICIES]},
        "level": {"enum": ["", *LEVELS]},
        "reason": TEXT,
        "since": NUMBER,
        "expires": MAYBE,
    }
)
STATE = _object(
    {
        "time": NUMBER,
        "version": TEXT,
        "state": TEXT,
        "connections": COUNT,
        "services": _list(SERVICE),
        "backends": _list(BACKEND),
        "problems": _list(PROBLEM),
        "overrides": _list(OVERRIDE),
    }
)
EXPLANATION = _object(
    {"service": {"type": ["string", "null"]}, "why": TEXT, "winner": {"type": ["string", "null"]}}
)


def _decision(action: str, **about: Schema) -> Schema:
    shape = _object(
        {"action": {"const": action}, **about},
        reason={"type": "string", "maxLength": MAX_TEXT},
        seconds={"type": "number", "minimum": 1, "maximum": MAX_SECONDS},
    )
    return {**shape, "additionalProperties": False}


_NAME: Schema = {"type": "string", "minLength": 1, "maxLength": MAX_TEXT}
DECISION: Schema = {
    "oneOf": [
        _decision("drain", service=_NAME, backend=_NAME),
        _decision("eject", service=_NAME, backend=_NAME),
        _decision("restore", service=_NAME, backend=_NAME),
        _decision("weight", service=_NAME, backend=_NAME, weight={**COUNT, "maximum": MAX_WEIGHT}),
        _decision("maintenance", service=_NAME),
        _decision("policy", service=_NAME, policy={"enum": list(POLICIES)}),
        _decision("log-level", level={"enum": list(LEVELS)}),
    ]
}


def _read(summary: str, schema: Schema, **query: Schema) -> Schema:
    parameters = [{"name": name, "in": "query", "schema": each} for name, each in query.items()]
    answers = {"200": _answer(schema)}
    if query:
        answers["400"] = _answer(ERROR, "A parameter cannot be read.")
    return {"get": {"summary": summary, "parameters": parameters, "responses": answers}}


def _change(summary: str, answers: dict[str, Schema], body: Schema | None = None) -> Schema:
    change: Schema = {
        "summary": summary,
        "security": [{}, {"token": []}],
        "responses": answers
        | {
            "400": _answer(ERROR, "It cannot be read."),
            "401": _answer(ERROR, "The token is missing or wrong."),
            "403": _answer(ERROR, "Not from there."),
            "404": _answer(ERROR, "There is no such thing."),
            "415": _answer(ERROR, "The body must be declared as JSON."),
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
        "summary": "What a pylb does, and an operator's decisions.",
    },
    "components": {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
    "paths": {
        "/api/state": _read("All that is true at this moment.", STATE),
        "/api/services": _read("How fresh what is known of each service is.", _list(SERVICE)),
        "/api/backends": _read("Every instance with its state and the reason for it.", _list(BACKEND)),
        "/api/workers": _read("The processes that take requests.", _list(WORKER)),
        "/api/problems": _read("What an operator should know of.", _list(PROBLEM)),
        "/api/config": _read("The options in force.", {"type": "object", "additionalProperties": TEXT}),
        "/api/history": _read(
            "The last changes of pools.",
            _list(ENTRY),
            since={**COUNT, "maximum": MAX_NUMBER, "default": 0},
            service={**TEXT, "default": ""},
        ),
        "/api/samples": _read(
            "Fifteen minutes of traffic, by service.",
            {"type": "object", "additionalProperties": _list(SAMPLE)},
        ),
        "/api/explain": _read(
            "Where a request would go, and why.", EXPLANATION, host=TEXT, target={**TEXT, "default": "/"}
        ),
        "/api/overrides": {
            **_read("The operator's decisions in force.", _list(OVERRIDE)),
            "post": _change("Make a decision.", {"201": _answer(OVERRIDE)}, DECISION),
        },
        "/api/overrides/{id}": {
            "delete": {
                **_change("End a decision.", {"200": _answer(OVERRIDE)}),
                "parameters": [
                    {"name": "id", "in": "path", "required": True, "schema": {**COUNT, "maximum": MAX_NUMBER}}
                ],
            }
        },
    },
}
