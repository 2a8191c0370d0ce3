"""Why a head was rejected. Runs only after the grammar has rejected it, so its cost does not matter."""

from __future__ import annotations

import re

from pylb.config.clients import Limits
from pylb.errors import Fault, InvalidResponseError, Phase, ProxyError
from pylb.http1 import grammar
from pylb.http1.limits import MAX_RESPONSE_HEAD

_START = re.compile(rb"(" + grammar.TOKEN + rb") ([^ ]*+) (HTTP/([0-9])\.([0-9]))")
_LINE = re.compile(grammar.TOKEN + rb":" + grammar.VALUE)
_NAME = re.compile(grammar.TOKEN)
_HTTP = re.compile(rb"HTTP/1\.[01] [0-9]{3}(?![0-9])")
"""The beginning of an HTTP/1 response; the rest of the head may be invalid."""


def bad_request(detail: str, status: int = 400) -> ProxyError:
    """Return the error for an invalid request. Bytes that follow it on the connection are not trusted."""
    return ProxyError(Phase.REQUEST, Fault.POLICY, detail, status=status)


def bad_response(detail: str) -> ProxyError:
    """Return the error for an invalid response. The client receives a 502 and none of its bytes."""
    return InvalidResponseError(Phase.HEADERS, Fault.UPSTREAM, detail)


def not_a_request(head: bytes, limits: Limits) -> ProxyError:
    """Return an error that names the first defect of a request's head."""
    start, *lines = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
    if start.startswith(b"\x16\x03"):
        return bad_request("a TLS handshake on a plain HTTP port")
    if start == b"PRI * HTTP/2.0":
        return bad_request("an HTTP/2 preface, expected HTTP/1.1")
    for byte, name in ((b"\r", "carriage return"), (b"\n", "line feed"), (b"\0", "NUL")):
        if any(byte in line for line in (start, *lines)):
            return bad_request(f"a bare {name} in the head")
    match = _START.fullmatch(start)
    if match is None:
        return bad_request(f"start line {shown(start)}, expected METHOD TARGET HTTP/1.1")
    if match[4] != b"1":
        return bad_request(f"version {shown(match[3])}, expected HTTP/1.1", 505)
    if match[5] not in b"01":
        return bad_request(f"version {shown(match[3])}, expected HTTP/1.0 or HTTP/1.1", 505)
    if len(match[2]) > limits.max_target:
        return bad_request(f"a target of {len(match[2])} bytes, expected at most {limits.max_target}", 414)
    return _bad_line(lines) or bad_request(f"target {shown(match[2])}, expected visible characters and no #")


def not_a_response(head: bytes) -> ProxyError:
    """Return an error that names the first defect of a backend's response head."""
    if len(head) > MAX_RESPONSE_HEAD:
        return bad_response(f"a response head of {len(head)} bytes, expected at most {MAX_RESPONSE_HEAD}")
    start, *lines = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
    if _HTTP.match(start) and any(b"\n" in line for line in (start, *lines)):
        return bad_response("a bare line feed in the head")
    problem = _bad_line(lines)
    if problem and grammar.RESPONSE.fullmatch(start + b"\r\n\r\n"):
        return bad_response(problem.detail)
    detail = f"status line {shown(start)}, expected HTTP/1.1 NNN REASON"
    if _HTTP.match(start):
        return bad_response(detail)
    return ProxyError(Phase.HEADERS, Fault.UPSTREAM, detail)


def _bad_line(lines: list[bytes]) -> ProxyError | None:
    for line in lines:
        if line[:1] in {b" ", b"\t"}:
            return bad_request("a folded field line (obs-fold)")
        name, colon, _ = line.partition(b":")
        if not colon:
            return bad_request(f"field line {shown(line)}, expected NAME: VALUE")
        if not name:
            return bad_request("a field without a name")
        if name[-1:] in {b" ", b"\t"}:
            return bad_request(f"white space between the field name {shown(name.rstrip())} and its colon")
        if _NAME.fullmatch(name) is None:
            return bad_request(f"field name {shown(name)}, expected a token")
        if _LINE.fullmatch(line) is None:
            return bad_request(f"a control character in the field {shown(name)}")
    return None


def shown(text: bytes) -> str:
    """Return at most 60 bytes of the text, quoted and escaped for a log line."""
    return repr(text[:60])[1:] + ("..." if len(text) > 60 else "")
