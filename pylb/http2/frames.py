"""The frames of HTTP/2: their kinds and flags, and functions that write them (RFC 9113 §4, §6).

The functions validate nothing: the caller passes ids, lengths and values that RFC 9113 permits.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping

from pylb.http2.errors import ErrorCode, SessionError

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
"""The first bytes of a client (RFC 9113 §3.4)."""

HEADER = struct.Struct(">LBL")
"""The header of a frame: `length << 8 | kind`, flags, stream. The highest bit of `stream` is reserved and has
no meaning on receipt (RFC 9113 §4.1)."""
HEADER_LENGTH = HEADER.size

DATA = 0x0
HEADERS = 0x1
PRIORITY = 0x2
RST_STREAM = 0x3
SETTINGS = 0x4
PUSH_PROMISE = 0x5
PING = 0x6
GOAWAY = 0x7
WINDOW_UPDATE = 0x8
CONTINUATION = 0x9
PRIORITY_UPDATE = 0x10
"""RFC 9218 §7.1."""

END_STREAM = 0x1
"""Flag of DATA and HEADERS."""
ACK = 0x1
"""Flag of SETTINGS and PING."""
END_HEADERS = 0x4
PADDED = 0x8
PRIORITY_FLAG = 0x20

HEADER_TABLE_SIZE = 0x1
ENABLE_PUSH = 0x2
MAX_CONCURRENT_STREAMS = 0x3
INITIAL_WINDOW_SIZE = 0x4
MAX_FRAME_SIZE = 0x5
MAX_HEADER_LIST_SIZE = 0x6
ENABLE_CONNECT_PROTOCOL = 0x8
"""RFC 8441 §3."""
NO_RFC7540_PRIORITIES = 0x9
"""RFC 9218 §2.1."""

DEFAULT_FRAME_SIZE = 16_384
"""Bytes of payload that every peer accepts, and the maximum that pylb accepts."""
LARGEST_FRAME_SIZE = 2**24 - 1
LARGEST_WINDOW = 2**31 - 1
LAST_STREAM = 2**31 - 1
"""The largest id of a stream. GOAWAY with this id announces that another GOAWAY follows (RFC 9113 §6.8)."""

MAX_SETTINGS = 32
"""Settings in one frame, as in nghttp2. RFC 9113 has no limit; the registry of settings has 9 entries."""

_SETTING = struct.Struct(">HL")
_WORD = struct.Struct(">L")
_RANGES = {
    ENABLE_PUSH: (0, 1, ErrorCode.PROTOCOL_ERROR),
    INITIAL_WINDOW_SIZE: (0, LARGEST_WINDOW, ErrorCode.FLOW_CONTROL_ERROR),
    MAX_FRAME_SIZE: (DEFAULT_FRAME_SIZE, LARGEST_FRAME_SIZE, ErrorCode.PROTOCOL_ERROR),
    ENABLE_CONNECT_PROTOCOL: (0, 1, ErrorCode.PROTOCOL_ERROR),
    NO_RFC7540_PRIORITIES: (0, 1, ErrorCode.PROTOCOL_ERROR),
}
"""Settings that do not accept all 32-bit values: minimum, maximum, and the code for other values (RFC 9113
§6.5.2)."""


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """Return a frame."""
    return HEADER.pack(len(payload) << 8 | kind, flags, stream) + payload


def headers(stream: int, block: bytes, *, end_stream: bool, max_frame: int = DEFAULT_FRAME_SIZE) -> bytes:
    """Return a HEADERS frame, and CONTINUATION frames if the block does not fit in it (RFC 9113 §6.2, §6.10).

    Args:
        stream: the id of the stream.
        block: the whole header block.
        end_stream: whether the sender sends nothing else on the stream.
        max_frame: bytes of payload in a frame that the peer accepts.
    """
    if len(block) <= max_frame:
        return HEADER.pack(len(block) << 8 | HEADERS, END_HEADERS | end_stream, stream) + block
    parts = [frame(HEADERS, int(end_stream), stream, block[:max_frame])]
    for start in range(max_frame, len(block), max_frame):
        end = start + max_frame
        flags = END_HEADERS if end >= len(block) else 0
        parts.append(frame(CONTINUATION, flags, stream, block[start:end]))
    return b"".join(parts)


def data(stream: int, payload: bytes, *, end_stream: bool) -> bytes:
    """Return a DATA frame (RFC 9113 §6.1). The payload fits in one frame."""
    return HEADER.pack(len(payload) << 8, end_stream, stream) + payload


def settings(values: Mapping[int, int]) -> bytes:
    """Return a SETTINGS frame (RFC 9113 §6.5)."""
    return frame(SETTINGS, 0, 0, b"".join(_SETTING.pack(key, value) for key, value in values.items()))


SETTINGS_ACK = frame(SETTINGS, ACK, 0, b"")


def ping(opaque: bytes, *, ack: bool) -> bytes:
    """Return a PING frame (RFC 9113 §6.7).

    Args:
        opaque: eight bytes; an acknowledgement repeats those of the PING.
        ack: whether the frame is an acknowledgement.
    """
    return frame(PING, ACK if ack else 0, 0, opaque)


def goaway(last_stream: int, code: ErrorCode, detail: bytes = b"") -> bytes:
    """Return a GOAWAY frame (RFC 9113 §6.8).

    Args:
        last_stream: the largest id of a stream that the sender has processed or may yet process.
        code: the reason.
        detail: text for the log of the peer.
    """
    return frame(GOAWAY, 0, 0, _WORD.pack(last_stream) + _WORD.pack(code) + detail)


def rst_stream(stream: int, code: ErrorCode) -> bytes:
    """Return a RST_STREAM frame (RFC 9113 §6.4)."""
    return frame(RST_STREAM, 0, stream, _WORD.pack(code))


def window_update(stream: int, increment: int) -> bytes:
    """Return a WINDOW_UPDATE frame (RFC 9113 §6.9).

    Args:
        stream: the id of the stream; 0 for the connection.
        increment: the number of bytes, 1 to 2^31-1.
    """
    return frame(WINDOW_UPDATE, 0, stream, _WORD.pack(increment))


def parse_settings(payload: bytes) -> dict[int, int]:
    """Return the settings in the payload of a SETTINGS frame, unknown ones included (RFC 9113 §6.5).

    Raises:
        SessionError: a bad length, a value out of its range, or more than `MAX_SETTINGS` entries.
    """
    if len(payload) % _SETTING.size:
        raise SessionError(
            ErrorCode.FRAME_SIZE_ERROR, f"SETTINGS of {len(payload)} bytes, expected a multiple of 6"
        )
    if len(payload) > MAX_SETTINGS * _SETTING.size:
        raise SessionError(ErrorCode.ENHANCE_YOUR_CALM, f"SETTINGS with more than {MAX_SETTINGS} entries")
    values = {}
    for setting, value in _SETTING.iter_unpack(payload):
        low, high, code = _RANGES.get(setting, (0, value, ErrorCode.NO_ERROR))
        if not low <= value <= high:
            raise SessionError(code, f"setting {setting} is {value}, expected {low} to {high}")
        values[setting] = value
    return values
