"""Translates the fields of a request to the head of an HTTP/1.1 request (RFC 9113 §8.2, §8.3, RFC 8441).

The translation ensures that each field becomes exactly one line, and that the framing is that of the stream.
The parser of HTTP/1.1 reads the head afterwards and validates the rest, such as values and lengths.
"""

from __future__ import annotations

import random
import re
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence

from pylb.errors import ProxyError
from pylb.http1 import grammar
from pylb.http1.bad_request import bad_request, shown
from pylb.http2.tables import STATIC, Field

_CONNECTION_FIELDS = frozenset([
    b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade",
])  # fmt: skip
"""Fields about the connection, which make a message of HTTP/2 malformed (RFC 9113 §8.2.2)."""

GRPC_TIMEOUT = b"grpc-timeout"
"""The time that is left for a call of gRPC. Its line is the first, because it differs most often."""

_SPECIAL = _CONNECTION_FIELDS | {b"content-length", b"cookie", GRPC_TIMEOUT, b"host", b"te"}
"""Fields that are not copied to one line each."""

_PSEUDO = frozenset([b":authority", b":method", b":path", b":protocol", b":scheme"])

NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]++")
"""A field name in HTTP/2: a token without upper case (RFC 9113 §8.2.1)."""

_METHOD = re.compile(grammar.TOKEN)
_SCHEME = re.compile(rb"[A-Za-z][A-Za-z0-9+\-.]*+")
_DEFAULT_PORTS = {b"http": b":80", b"https": b":443"}

_WITH_CONTENT = frozenset([b"POST", b"PUT", b"PATCH"])
"""Methods whose requests have a Content-Length even if they have no content (RFC 9110 §8.6)."""

_KEY_LENGTH = 16
"""Bytes of the random value in Sec-WebSocket-Key (RFC 6455 §4.1)."""

_MAX_NAMES = 1024
_NAMES = {name for name, _ in STATIC if NAME.fullmatch(name)} - _SPECIAL
"""Names that are known to be valid. Others are added; the set is cleared when it is full."""


class RequestText:
    """The head of an HTTP/1.1 request around its target, in which the requests of a client mostly differ.

    Args:
        method: the method.
        lines: the field lines, each with its CRLF.
        repeatable: whether the same fields always give the same head.
    """

    __slots__ = ("_after", "_before", "repeatable")

    def __init__(self, method: bytes, lines: bytes, *, repeatable: bool) -> None:
        self._before = method + b" "
        self._after = b" HTTP/1.1\r\n%b\r\n" % lines
        self.repeatable = repeatable

    def head(self, path: bytes) -> bytes:
        """Return the whole head. The path is valid."""
        return b"".join((self._before, path, self._after))


def request_text(fields: Sequence[Field], *, end_stream: bool) -> RequestText:
    """Translate the fields of a request.

    Args:
        fields: the decoded header block.
        end_stream: whether the request ends with it, so that it has no content.

    Raises:
        ProxyError: 400, 405 or 501: the request is malformed, or HTTP/1.1 cannot represent it.
    """
    pseudo = _pseudo_fields(fields)
    lines, special = _regular_fields(fields[len(pseudo) :])
    method = _required(pseudo, b":method")
    websocket = method == b"CONNECT"
    if websocket:
        _check_protocol(pseudo.get(b":protocol"))
        method = b"GET"
    elif b":protocol" in pseudo:
        raise bad_request("field :protocol in a request other than CONNECT")
    elif _METHOD.fullmatch(method) is None:
        raise bad_request(f"method {shown(method)}, expected a token")
    _check_path(method, _required(pseudo, b":path"))
    lines[0] = b"Host: %b\r\n" % _host(pseudo, special.pop(b"host", []))
    timeouts = special.pop(GRPC_TIMEOUT, [])
    if timeouts:
        lines[:0] = [b"%b: %b\r\n" % (GRPC_TIMEOUT, timeout) for timeout in timeouts]
    lengths = special.pop(b"content-length", [])
    if special:
        lines += _special_lines(special)
    if websocket:
        lines = _with_upgrade(lines, lengths)
    elif framing := _framing(method, lengths, end_stream=end_stream):
        lines.append(framing)
    text = b"".join(lines)
    if not text.count(b"\n") == text.count(b"\r") == len(lines):
        raise _line_end(fields)
    return RequestText(method, text, repeatable=not websocket)


def _pseudo_fields(fields: Sequence[Field]) -> dict[bytes, bytes]:
    """Return the pseudo fields, which come before all others (RFC 9113 §8.3)."""
    pseudo: dict[bytes, bytes] = {}
    for name, value in fields:
        if name[:1] != b":":
            break
        if name not in _PSEUDO:
            raise bad_request(f"an unknown pseudo field {shown(name)}")
        if name in pseudo:
            raise bad_request(f"two fields {name.decode()}")
        pseudo[name] = value
    return pseudo


def _regular_fields(fields: Sequence[Field]) -> tuple[list[bytes], dict[bytes, list[bytes]]]:
    """Return a place for `Host` and the lines of ordinary fields, and the values of special ones by name."""
    lines: list[bytes] = [b""]
    special: dict[bytes, list[bytes]] = {}
    for name, value in fields:
        if name in _NAMES:
            lines.append(b"%b: %b\r\n" % (name, value.strip(b"\t ")))
        elif name in _SPECIAL:
            special.setdefault(name, []).append(value.strip(b"\t "))
        else:
            _check_name(name)
            lines.append(b"%b: %b\r\n" % (name, value.strip(b"\t ")))
    return lines, special


def _check_name(name: bytes) -> None:
    """Reject a name that is not valid in HTTP/2, and remember a valid one."""
    if NAME.fullmatch(name) is None:
        if name in _PSEUDO:
            raise bad_request(f"field {name.decode()} after a field that is not a pseudo field")
        raise bad_request(f"field name {shown(name)}, expected a token in lower case")
    if len(_NAMES) == _MAX_NAMES:
        _NAMES.clear()
    _NAMES.add(name)


def _required(pseudo: Mapping[bytes, bytes], name: bytes) -> bytes:
    if name not in pseudo:
        raise bad_request(f"no field {name.decode()}, which HTTP/2 requires")
    return pseudo[name]


def _check_protocol(protocol: bytes | None) -> None:
    """Reject CONNECT unless it opens a WebSocket (RFC 8441 §4, §5)."""
    if protocol is None:
        raise bad_request("method CONNECT, which a gateway does not serve", 405)
    if protocol != b"websocket":
        raise bad_request(f"CONNECT with protocol {shown(protocol)}, only websocket is known", 501)


def _check_path(method: bytes, path: bytes) -> None:
    """Reject a `:path` that is invalid. It is in origin-form, or `*` for OPTIONS (RFC 9113 §8.3.1)."""
    if grammar.ORIGIN_FORM.fullmatch(path) is None and (path != b"*" or method != b"OPTIONS"):
        raise bad_request(f"path {shown(path)}, expected / and visible characters without #")


def _host(pseudo: Mapping[bytes, bytes], hosts: Sequence[bytes]) -> bytes:
    """Return the host, which `:authority` and `Host` must agree on if both exist (RFC 9113 §8.3.1)."""
    scheme = _required(pseudo, b":scheme")
    if _SCHEME.fullmatch(scheme) is None:
        raise bad_request(f"scheme {shown(scheme)}, expected http or https")
    authority = pseudo.get(b":authority")
    if authority is None and not hosts:
        raise bad_request("neither :authority nor Host")
    if len(hosts) > 1:
        raise bad_request("several Host fields")
    host = hosts[0] if authority is None else authority
    if grammar.HOST.fullmatch(host) is None:
        raise bad_request(f"authority {shown(host)}, expected one name or address, and a port at most")
    if hosts and _normal(hosts[0], scheme) != _normal(host, scheme):
        raise bad_request(f"Host {shown(hosts[0])}, but authority {shown(host)}")
    return host


def _normal(host: bytes, scheme: bytes) -> bytes:
    """Return a host in lower case without the default port of the scheme (RFC 3986 §6.2.3)."""
    return host.lower().removesuffix(_DEFAULT_PORTS.get(scheme.lower(), b""))


def _special_lines(special: Mapping[bytes, Sequence[bytes]]) -> Iterator[bytes]:
    """Return the lines for `Cookie`, which HTTP/2 may split (RFC 9113 §8.2.3), and for `TE` (§8.2.2)."""
    for name, values in special.items():
        if name == b"cookie":
            yield b"cookie: %b\r\n" % b"; ".join(filter(None, values))
        elif name in _CONNECTION_FIELDS:
            raise bad_request(f"a field {shown(name)}, which HTTP/2 does not have")
        elif any(value != b"trailers" for value in values):
            raise bad_request(f"TE {shown(b', '.join(values))}, expected trailers")
        else:
            yield b"TE: trailers\r\n"
            yield b"Connection: TE\r\n"


def _framing(method: bytes, lengths: Sequence[bytes], *, end_stream: bool) -> bytes:
    """Return the line that describes the length of the content; empty for none (RFC 9113 §8.1.1)."""
    if not lengths:
        if end_stream:
            return b"Content-Length: 0\r\n" if method in _WITH_CONTENT else b""
        return b"Transfer-Encoding: chunked\r\n"
    if len(set(lengths)) > 1:
        raise bad_request(f"Content-Length {shown(b', '.join(lengths))}, expected one number")
    if end_stream and lengths[0] != b"0":
        raise bad_request(f"Content-Length {shown(lengths[0])} in a request without content")
    return b"Content-Length: %b\r\n" % lengths[0]


def _with_upgrade(lines: Sequence[bytes], lengths: Sequence[bytes]) -> list[bytes]:
    """Return the lines of a request that opens a WebSocket over HTTP/1.1 (RFC 6455 §4.1, RFC 8441 §5)."""
    if lengths:
        raise bad_request("Content-Length in a request that opens a WebSocket")
    kept = [line for line in lines if not line.startswith((b"sec-websocket-key:", b"Connection:"))]
    connection = (
        b"Connection: TE, Upgrade\r\n" if b"TE: trailers\r\n" in lines else b"Connection: Upgrade\r\n"
    )
    key = b64encode(random.randbytes(_KEY_LENGTH))
    return [*kept, connection, b"Upgrade: websocket\r\n", b"Sec-WebSocket-Key: %b\r\n" % key]


def _line_end(fields: Sequence[Field]) -> ProxyError:
    """Return the error for a value with a carriage return or a line feed, which end a line of HTTP/1.1."""
    name = next((name for name, value in fields if b"\r" in value or b"\n" in value), b"")
    return bad_request(f"a line end in the field {shown(name)}")
