"""Translates the head of an HTTP/1.1 request to a header block for a backend (RFC 9113 §8.3.1, RFC 8441).

The head is one that pylb has written, so it is valid. Equal lines are encoded once.
"""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha1

from pylb.http1.parser import END_LENGTH, Request
from pylb.http2.encoder import field

_NOT_SENT = frozenset([
    *(b"connection", b"host", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"),
    b"sec-websocket-key",
])  # fmt: skip
"""Fields that HTTP/2 does not have (RFC 9113 §8.2.2, RFC 8441 §5), and `Host`, which becomes `:authority`."""

_HOST = b"host:"

_ENTRY = 32
"""Bytes that a field counts in addition to its name and value (RFC 9113 §6.5.2)."""

_MAX_LINE = 512
"""Bytes of the longest line that is stored."""

_MAX_LINES = 4096
_LINES: dict[bytes, bytes] = {}
"""Encoded lines; empty for those that are not sent. The dictionary is cleared when it is full."""

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
    start, *lines = head[:-END_LENGTH].split(b"\r\n")
    method, target, _ = start.split(b" ")
    first = _WEBSOCKET if websocket else field(b":method", method)
    block = [first, _SCHEMES[tls], field(b":path", target), b""]
    for line in lines:
        encoded = _LINES.get(line)
        if encoded is None:
            encoded = _encode(line)
        if encoded:
            block.append(encoded)
        elif line[: len(_HOST)].lower() == _HOST:
            block[3] = field(b":authority", line[len(_HOST) :].strip(b" \t"))
    return b"".join(block)


def trailers_block(lines: bytes) -> bytes:
    """Return the header block of trailers.

    Args:
        lines: field lines, each with its CRLF.
    """
    return b"".join([_encode(line) for line in lines.split(b"\r\n") if line])


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


def _encode(line: bytes) -> bytes:
    """Encode a field line without its CRLF, and store the result if it is short."""
    name, _, value = line.partition(b":")
    name = name.lower()
    encoded = b"" if name in _NOT_SENT else field(name, value.strip(b" \t"))
    if len(line) <= _MAX_LINE:
        if len(_LINES) >= _MAX_LINES:
            _LINES.clear()
        _LINES[line] = encoded
    return encoded
