"""gRPC: which requests are calls, and how a client learns that pylb could not serve one.

The result of a call is a code in the trailers of a response with status 200. A response without messages has
the code in its head ("Trailers-Only" in gRPC's PROTOCOL-HTTP2.md). Client libraries translate an HTTP status
such as 503 differently, and without the reason.
"""

from __future__ import annotations

import re
from http import HTTPStatus
from math import ceil, inf
from urllib.parse import quote_from_bytes

from pylb.errors import Fault, Phase, ProxyError
from pylb.grpc_codes import (
    CONDITIONS,
    DEADLINE_EXCEEDED,
    INTERNAL,
    PERMISSION_DENIED,
    RESOURCE_EXHAUSTED,
    UNAUTHENTICATED,
    UNAVAILABLE,
    UNIMPLEMENTED,
    UNKNOWN,
)
from pylb.http1.parser import END_OF_HEAD
from pylb.http2.request_text import GRPC_TIMEOUT

_CALL = re.compile(rb"\ncontent-type:[\t ]*application/grpc(?:[+;\r]|\Z)", re.IGNORECASE)
"""The content type of a call. That of gRPC-Web, which is plain HTTP, begins alike."""

_TIMEOUT = re.compile(rb"\n%b: ([0-9]{1,8})([HMSmun])\r" % GRPC_TIMEOUT)
_UNITS = {b"H": 3600.0, b"M": 60.0, b"S": 1.0, b"m": 1e-3, b"u": 1e-6, b"n": 1e-9}

_INFERRED = {
    **dict.fromkeys((400, 431), INTERNAL),
    401: UNAUTHENTICATED,
    403: PERMISSION_DENIED,
    404: UNIMPLEMENTED,
    **dict.fromkeys((429, 502, 503, 504), UNAVAILABLE),
}
"""Codes by the status of a response without a code (gRPC's http-grpc-status-mapping.md)."""

_MAX_NUMBER = 99_999_999
"""A timeout has at most 8 digits."""

_LONGEST = _MAX_NUMBER, b"H"

_PRECISE = ((b"u", 1e6), (b"m", 1e3), (b"S", 1), (b"M", 1 / 60), (b"H", 1 / 3600))
"""Units, and how many a second has. The first that represents a timeout is the most precise."""

_STATUS = re.compile(rb"^grpc-status:[\t ]*(0|[1-9][0-9]{0,8})[\t ]*\r", re.MULTILINE)

_CODES = {
    **dict.fromkeys((400, 414, 417, 431, 500), INTERNAL),
    **dict.fromkeys((404, 405, 501), UNIMPLEMENTED),
    **dict.fromkeys((408, 504), DEADLINE_EXCEEDED),
    **dict.fromkeys((413, 429), RESOURCE_EXHAUSTED),
    **dict.fromkeys((502, 503), UNAVAILABLE),
    401: UNAUTHENTICATED,
    403: PERMISSION_DENIED,
}
"""Codes by the status of a response of pylb. They are those of Linkerd, not those that clients infer: clients
send a call with `UNAVAILABLE` again, but not one with `DEADLINE_EXCEEDED`."""

_AS_TEXT = bytes(byte for byte in range(0x20, 0x7F) if byte != ord("%"))
"""Bytes that a message contains as they are; others are percent-encoded."""


def is_call(head: bytes) -> bool:
    """Return whether the head of a request, or its lines, are those of a call of gRPC."""
    return b"application/grpc" in head and _CALL.search(head) is not None


def timeout_of(head: bytes) -> float:
    """Return the seconds in which a call must end; infinite if the caller sets none, or an invalid one."""
    found = _TIMEOUT.search(head)
    return int(found[1]) * _UNITS[found[2]] if found else inf


def with_timeout(lines: bytes, seconds: float) -> bytes:
    """Return the lines of a request with the time that remains, rounded up; the caller has set one."""
    numbers = [(ceil(seconds * per_second), unit) for unit, per_second in _PRECISE]
    remaining = b"%d%b" % next((each for each in numbers if each[0] <= _MAX_NUMBER), _LONGEST)
    return _TIMEOUT.sub(b"\n%b: %b\r" % (GRPC_TIMEOUT, remaining), lines, count=1)


def condition(lines: bytes) -> str:
    """Return the condition for a retry that the result of a call meets; empty if it meets none."""
    return CONDITIONS.get(status_of(lines) or 0, "")


def code_of_response(status: int) -> int:
    """Return the code of a call whose response has none, as clients infer it from the HTTP status."""
    return _INFERRED.get(status, UNKNOWN)


def status_of(lines: bytes) -> int | None:
    """Return the code in trailers or in a head; None if it has none."""
    found = _STATUS.search(lines)
    return int(found[1]) if found else None


def code_of(error: ProxyError) -> int:
    """Return the code of a call that failed. No connection in time is not the deadline of the call."""
    return UNAVAILABLE if error.phase is Phase.CONNECT else code_of_status(error.status)


def code_of_status(status: int) -> int:
    """Return the code for the status of a response of pylb."""
    return _CODES.get(status, UNKNOWN)


def result(code: int, message: str) -> bytes:
    """Return the field lines that contain the result of a call."""
    encoded = quote_from_bytes(message.encode(), safe=_AS_TEXT)
    return b"grpc-status: %d\r\ngrpc-message: %b\r\n" % (code, encoded.encode())


def failure(error: ProxyError) -> bytes:
    """Return the field lines with the result of a call that pylb could not serve.

    A client receives the text of the error only if it describes the client's own bytes.
    """
    return result(code_of(error), error.detail if error.fault is Fault.POLICY else reason(error.status))


def reason(status: int) -> str:
    """Return the name of a status as text."""
    return HTTPStatus(status).phrase if status in set(HTTPStatus) else "Error"


def trailers_only(lines: bytes, request_id: bytes, date: bytes) -> bytes:
    """Return a response without messages, as the head of a response of HTTP/1.1.

    Args:
        lines: the result.
        request_id: the request's id, with which it can be found in the log.
        date: the current time as an HTTP date.
    """
    return b"".join((
        b"HTTP/1.1 200 OK\r\ncontent-type: application/grpc\r\n",
        b"Date: %b\r\n" % date if date else b"",
        b"X-Request-ID: %b\r\n" % request_id if request_id else b"",
        lines.removesuffix(b"\r\n"),
        END_OF_HEAD,
    ))  # fmt: skip
