"""Decodes request bodies as Consul does with Go's encoding/json, with the same error messages.

Names are compared without case; `null` means absent; data after the first JSON value is ignored; an unknown
name or a value of another type is an error. A duration is a number of nanoseconds or text in Go's notation.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from pylb.registry.embedded.literals import MAX_DURATION, LiteralError, parse_duration

Kind = Callable[[Any, str], Any]
"""Validates and converts a value; the second argument is the path of the value, for messages."""
Shape = Mapping[str, tuple[str, Kind]]
"""Fields of an object: lower-case JSON name -> (key in the result, kind)."""

_MAX_NANOSECONDS = int(MAX_DURATION * 1e9)
_COMPLAINTS = {
    "Expecting property name enclosed in double quotes": "looking for beginning of object key string",
    "Illegal trailing comma before end of object": "looking for beginning of object key string",
    "Expecting ':' delimiter": "after object key",
    "Invalid control character at": "in string literal",
    "Invalid \\escape": "in string escape code",
}


class DecodeError(Exception):
    """The body cannot be decoded; the message is that of Consul."""


def decode(body: bytes, shape: Shape, place: str = ".*", type_name: str = "object") -> dict[str, Any]:
    """Return the fields of the JSON object at the start of `body`.

    Args:
        body: the body of the request; the content type is ignored.
        shape: the known fields.
        place: Consul's path of a field in messages; `*` is replaced by its name.
        type_name: Consul's name of the type.

    Raises:
        DecodeError: the body is not a JSON object of that shape.
    """
    value = _first_value(body.decode(errors="replace"))
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise DecodeError(f"json: cannot unmarshal {_kind_of(value)} into Go value of type {type_name}")
    return _fields(value, shape, place)


def _first_value(text: str) -> Any:
    start = len(text) - len(text.lstrip(" \t\r\n"))
    if start == len(text):
        raise DecodeError("EOF")
    try:
        # The standard library's decoder returns the end of the value and the kind of error; orjson does not.
        value, _ = json.JSONDecoder(parse_float=Decimal, strict=True).raw_decode(text, start)
    except json.JSONDecodeError as error:
        position = error.pos
        position += error.msg == "Invalid \\escape"  # the decoder's position is that of the backslash
        if "," in error.msg:  # Go reports the value after the comma
            position += len(text[position:]) - len(text[position:].lstrip(", \t\r\n"))
        if position >= len(text) or error.msg.startswith("Unterminated string"):
            raise DecodeError("unexpected EOF") from error
        character = text[position].replace("\n", "\\n").replace("'", "\\'")
        raise DecodeError(f"invalid character '{character}' {_complaint(error)}") from error
    except RecursionError as error:
        raise DecodeError("exceeded max depth") from error
    return value


def _complaint(error: json.JSONDecodeError) -> str:
    if error.msg == "Expecting ',' delimiter":
        inside_object = error.doc.rfind("{", 0, error.pos) > error.doc.rfind("[", 0, error.pos)
        return "after object key:value pair" if inside_object else "after array element"
    return _COMPLAINTS.get(error.msg, "looking for beginning of value")


def _fields(value: Mapping[str, Any], shape: Shape, place: str) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for name, item in value.items():
        if name.lower() not in shape:
            raise DecodeError(f'json: unknown field "{name}"')
        key, kind = shape[name.lower()]
        if item is not None:
            result[key] = kind(item, place.replace("*", name))
    return result


def _kind_of(value: Any) -> str:
    match value:
        case bool():
            return "bool"
        case int() | Decimal():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
        case _:
            return "object"


def _mismatch(value: Any, place: str, type_name: str) -> DecodeError:
    got = _kind_of(value)
    if got == "number" and type_name == "int":
        got = f"number {value}"
    return DecodeError(f"json: cannot unmarshal {got} into Go struct field {place} of type {type_name}")


def string(value: Any, place: str) -> str:
    """A JSON string."""
    if not isinstance(value, str):
        raise _mismatch(value, place, "string")
    return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")  # replaces lone surrogates


def integer(value: Any, place: str) -> int:
    """A JSON number without a fraction that fits 64 bits."""
    if not isinstance(value, int) or isinstance(value, bool) or not -(2**63) <= value < 2**63:
        raise _mismatch(value, place, "int")
    return value


def boolean(value: Any, place: str) -> bool:
    """A JSON true or false."""
    if not isinstance(value, bool):
        raise _mismatch(value, place, "bool")
    return value


def duration(value: Any, _place: str) -> float:
    """Seconds; as in Consul, a value that is neither a string nor a number is 0."""
    match value:
        case str():
            try:
                return parse_duration(value)
            except LiteralError as error:
                raise DecodeError(str(error)) from error
        case int() | Decimal() if not isinstance(value, bool):
            return float(min(max(value, -_MAX_NANOSECONDS), _MAX_NANOSECONDS)) * 1e-9
        case _:
            return 0.0


def strings(value: Any, place: str) -> list[str]:
    """A JSON array of strings."""
    if not isinstance(value, list):
        raise _mismatch(value, place, "[]string")
    return [string(item, place) for item in value if item is not None]


def mapping(of: Kind, type_name: str) -> Kind:
    """A JSON object with any names, whose values are of one kind."""

    def check(value: Any, place: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise _mismatch(value, place, type_name)
        return {name: of(item, place) for name, item in value.items() if item is not None}

    return check


def nested(shape: Shape, type_name: str, place: str = "") -> Kind:
    """A JSON object with known fields.

    Args:
        shape: the fields.
        type_name: Consul's name of the type.
        place: Consul's path of a field, with `*` for its name; empty: the path of the object.
    """

    def check(value: Any, outer: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise _mismatch(value, outer, type_name)
        return _fields(value, shape, place or outer)

    return check


def listing(of: Kind, type_name: str) -> Kind:
    """A JSON array of values of one kind."""

    def check(value: Any, place: str) -> list[Any]:
        if not isinstance(value, list):
            raise _mismatch(value, place, type_name)
        return [of(item, place) for item in value if item is not None]

    return check
