"""The two kinds of errors of HTTP/2: one ends the connection, the other ends a stream (RFC 9113 §5.4)."""

from __future__ import annotations

from enum import IntEnum


class ErrorCode(IntEnum):
    """The reasons in GOAWAY and RST_STREAM frames (RFC 9113 §7)."""

    NO_ERROR = 0x0
    PROTOCOL_ERROR = 0x1
    INTERNAL_ERROR = 0x2
    FLOW_CONTROL_ERROR = 0x3
    SETTINGS_TIMEOUT = 0x4
    STREAM_CLOSED = 0x5
    FRAME_SIZE_ERROR = 0x6
    REFUSED_STREAM = 0x7
    CANCEL = 0x8
    COMPRESSION_ERROR = 0x9
    CONNECT_ERROR = 0xA
    ENHANCE_YOUR_CALM = 0xB
    INADEQUATE_SECURITY = 0xC
    HTTP_1_1_REQUIRED = 0xD


class SessionError(Exception):
    """An error of the peer that ends the connection with GOAWAY (RFC 9113 §5.4.1).

    Args:
        code: the reason for the peer.
        detail: one sentence for the operator. GOAWAY may contain it too.
    """

    def __init__(self, code: ErrorCode, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail

    def __repr__(self) -> str:
        return f"<SessionError {self.code.name} {self.detail!r}>"


class StreamError(Exception):
    """An error of the peer that ends one stream with RST_STREAM (RFC 9113 §5.4.2).

    Args:
        stream: the id of the stream.
        code: the reason for the peer.
        detail: one sentence for the operator.
    """

    def __init__(self, stream: int, code: ErrorCode, detail: str) -> None:
        super().__init__(detail)
        self.stream = stream
        self.code = code
        self.detail = detail

    def __repr__(self) -> str:
        return f"<StreamError {self.stream} {self.code.name} {self.detail!r}>"


def compression_error(detail: str) -> SessionError:
    """Return the error for a fault in a header block: the dynamic tables may differ (RFC 9113 §4.3)."""
    return SessionError(ErrorCode.COMPRESSION_ERROR, detail)
