"""Translates the head of an HTTP/1.1 request to a header block for a backend (RFC 9113 §8.3.1, RFC 8441).

The head is one that pylb has written, so it is valid. Equal heads are encoded once, except for the target and
the id of the request.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable
from hashlib import sha1

from pylb.http1.parser import END_LENGTH, Request
from pylb.http2.encoder import field

_NOT_SENT = frozenset([
    *(b"connection", b"host", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"),
    b"sec-websocket-key",
])  # fmt: skip
"""Fields that HTTP/2 does not have (RFC 9113 §8.2.2, RFC 8441 §5), and `Host`, which becomes `:authority`."""

_ENTRY = 32
"""Bytes that a field counts in addition to its name and value (RFC 9113 §6.5.2)."""

_MAX_STORED = 2048
"""Bytes of the largest part of a head that is stored."""

_MAX_PARTS = 256
_PARTS: dict[bytes, tuple[bytes, bytes]] = {}
"""By the part of a head between the start line and the last line, which is the id of the request: the encoded
authority, and the other fields. Requests of a client mostly have the same. Cleared when it is full."""

_ID, _ID_IN_BLOCK = b"X-Request-ID", b"x-request-id"
"""The only field that differs in each request."""

_SCHEMES = (field(b":scheme", b"http"), field(b":scheme", b"https"))
_WEBSOCKET = field(b":method", b"CONNECT") + field(b":protocol", b"websocket")

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
"""RFC 6455 §1.3."""


def request_block(head: bytes, *, tls: bool, websocket: bool = False) -> bytes:
    """Return the header block of a request.

    Args:
        head: the head of a request as `http1.writer` returns it.
        tls: whether the connection to the backend uses TLS.
        websocket: whether the request opens a WebSocket.
    """
    end, last = head.index(b"\r\n"), head.rindex(b"\r\n", 0, -END_LENGTH)
    method, target, _ = head[:end].split(b" ")
    part = head[end:last]
    authority, fields = _PARTS.get(part) or _encode_part(part)
    first = _WEBSOCKET if websocket else field(b":method", method)
    name, _, value = head[last + 2 : -END_LENGTH].partition(b": ")
    if name == _ID:
        encoded = field(_ID_IN_BLOCK, value)
    else:
        own_authority, encoded = _encode_lines([head[last + 2 : -END_LENGTH]])
        authority = authority or own_authority
    return b"".join((first, _SCHEMES[tls], field(b":path", target), authority, fields, encoded))


def trailers_block(lines: bytes) -> bytes:
    """Return the header block of trailers.

    Args:
        lines: field lines, each with its CRLF.
    """
    return _encode_lines(lines.split(b"\r\n"))[1]


def head_size(head: bytes) -> int:
    """Return about the size of the fields of a head as a peer counts it. It is never too small."""
    return len(head) + _ENTRY * (head.count(b"\n") + 3)


def is_websocket(request: Request) -> bool:
    """Return whether a request opens a WebSocket, and nothing else."""
    return request.upgrade.lower() == b"websocket"


def switched(head: bytes, key: bytes) -> bytes:
    """Return the head with which HTTP/1.1 answers that a WebSocket is open (RFC 6455 §4.2.2).

    Args:
        head: the head of a 2xx response as text.
        key: Sec-WebSocket-Key of the client's request.
    """
    accept = b64encode(sha1(key + _GUID, usedforsecurity=False).digest())
    lines = [
        line
        for line in head.split(b"\r\n")[1:-2]
        if not line.lower().startswith((b"transfer-encoding:", b"content-length:"))
    ]
    return b"\r\n".join([
        b"HTTP/1.1 101 Switching Protocols",
        b"Connection: Upgrade",
        b"Upgrade: websocket",
        b"Sec-WebSocket-Accept: %b" % accept,
        *lines,
        b"\r\n",
    ])  # fmt: skip


def _encode_part(part: bytes) -> tuple[bytes, bytes]:
    """Encode the lines of a part of a head, and store the result."""
    encoded = _encode_lines(part.split(b"\r\n"))
    if len(part) <= _MAX_STORED:
        if len(_PARTS) >= _MAX_PARTS:
            _PARTS.clear()
        _PARTS[part] = encoded
    return encoded


def _encode_lines(lines: Iterable[bytes]) -> tuple[bytes, bytes]:
    """Encode field lines without their CRLF: the authority, empty if there is none, and the other fields."""
    authority, encoded = b"", []
    for line in lines:
        name, _, value = line.partition(b":")
        name = name.lower()
        if name == b"host":
            authority = field(b":authority", value.strip(b" \t"))
        elif name and name not in _NOT_SENT:
            encoded.append(field(name, value.strip(b" \t")))
    return authority, b"".join(encoded)
