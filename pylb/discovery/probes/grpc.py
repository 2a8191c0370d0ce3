"""A probe by gRPC's health protocol: one call of `grpc.health.v1.Health/Check` (gRPC's health-checking.md).

A server answers for itself, or for one of its services by name. Each call opens a connection, without TLS
or with ALPN `h2`. What the instance sends is bounded, and any deviation is a failure with a reason.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from math import ceil
from typing import cast

from pylb.config.kinds import GRPC
from pylb.discovery.probes.result import Result
from pylb.discovery.probes.rules import ProbeRules
from pylb.errors import ProxyError
from pylb.grpc_codes import NAMES, NOT_FOUND, UNIMPLEMENTED
from pylb.http2 import encoder, grpc
from pylb.http2.client_session import ClientSession, RequestStream
from pylb.http2.errors import SessionError
from pylb.model import Endpoint

WINDOW = 16_384
"""Bytes of a response that are read. A health response has two."""

ROOM = 65_536
"""Bytes that are framed at once: more than a request has."""

SERVING = 1
STATES = ("UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN")
"""`HealthCheckResponse.ServingStatus`."""

VARINT, EIGHT_BYTES, DELIMITED, FOUR_BYTES = 0, 1, 2, 5
"""Kinds of fields in protobuf's encoding."""


async def check(endpoint: Endpoint, how: str, rules: ProbeRules) -> Result:
    """Return the answer of an instance.

    Args:
        endpoint: the instance.
        how: `grpc`, or `grpc:` and the name of a service.
        rules: of its service; the caller limits the time.

    Raises:
        OSError: no connection can be opened.
    """
    service = how.removeprefix(GRPC).removeprefix(":")
    context, name = rules.tls_h2(endpoint) or (None, None)
    health = rules.health
    block = _block(health.probe_host or endpoint.authority, health.probe_timeout, tls=context is not None)
    call = _Call()
    transport, connection = await asyncio.get_running_loop().create_connection(
        lambda: _Connection(call, block, _message(service)),
        endpoint.address,
        endpoint.port,
        ssl=context,
        server_hostname=name,
    )
    try:
        await connection.ended
    finally:
        transport.abort()
    why = connection.why or call.why(service)
    return Result(not why, why)


class _Call(RequestStream):
    """The call: collects the response."""

    __slots__ = ("bodiless", "body", "head_received", "result", "status")

    def __init__(self) -> None:
        super().__init__(0, 0, WINDOW)
        self.bodiless = self.head_received = False
        self.body = b""
        self.status = 0
        self.result = b""
        """Lines with the code of the call."""

    def received_head(self, head: bytes | ProxyError, *, interim: bool) -> None:
        if isinstance(head, ProxyError):
            self.cut = True
        elif not interim:
            self.status, self.result = int(head[9:12]), head

    def received(self, data: bytes) -> None:
        self.body += data

    def received_trailers(self, lines: bytes) -> None:
        self.result = lines

    def why(self, service: str) -> str:
        """Return the reason why the instance is not healthy; empty if it is."""
        if self.status != 200:
            return f"grpc.health.v1: HTTP status {self.status}"
        code = grpc.status_of(self.result)
        if code == UNIMPLEMENTED:
            return "does not implement grpc.health.v1"
        if code == NOT_FOUND:
            return f"grpc.health.v1 does not know the service {service!r}"
        if code:
            return f"grpc.health.v1: {NAMES[code] if code < len(NAMES) else code}"
        if code is None:
            return "grpc.health.v1: a response without grpc-status"
        try:
            state = serving_status(self.body)
        except (IndexError, ValueError):
            return "grpc.health.v1: a malformed response"
        return (
            "" if state == SERVING else f"grpc.health.v1: {STATES[state] if state < len(STATES) else state}"
        )


class _Connection(asyncio.Protocol):
    """The connection of one call."""

    def __init__(self, call: _Call, block: bytes, message: bytes) -> None:
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done when the call has ended."""
        self.why = ""
        """The reason why there is no response."""
        self._call, self._block, self._message = call, block, message
        self._session = ClientSession(window=WINDOW, max_header=WINDOW, changed=lambda: None)
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        tls = transport.get_extra_info("ssl_object")
        if tls is not None and tls.selected_alpn_protocol() != "h2":
            self._end("does not offer HTTP/2 (ALPN)")
            return
        self._session.open(self._call, self._block, self._message, end_stream=True)
        self._flush()

    def data_received(self, data: bytes) -> None:
        session = self._session
        if data.startswith(b"HTTP/1.") and not session.settled:
            self._end("uses HTTP/1.1")
            return
        try:
            session.receive(data)
            while session.has_more:
                session.receive(b"")
        except SessionError as error:
            self._end(f"violated HTTP/2: {error.detail}")
            return
        self._flush()
        call = self._call
        if call.number in session.streams and not call.remote_ended:
            return
        self._end("reset the call" if call.cut else "")

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._end("closed the connection without a response")

    def _flush(self) -> None:
        self._session.fill(ROOM)
        if self._session.output:
            self._transport.write(self._session.take())

    def _end(self, why: str) -> None:
        if not self.ended.done():
            self.why = why
            self.ended.set_result(None)


def serving_status(body: bytes) -> int:
    """Return `status` of a `HealthCheckResponse`, after the five bytes of a gRPC message.

    Raises:
        ValueError: the body is not one message without compression.
        IndexError: it is cut.
    """
    if body[0] or int.from_bytes(body[1:5]) != len(body) - 5:
        raise ValueError("not one message without compression")
    status = 0
    for number, value in _fields(body[5:]):
        if number == 1:
            status = value
    return status


def _fields(message: bytes) -> Iterator[tuple[int, int]]:
    """Yield the varints of a message by number; skip all other fields, as protobuf requires."""
    position = 0
    while position < len(message):
        tag, position = _varint(message, position)
        number, kind = tag >> 3, tag & 7
        if kind == VARINT:
            value, position = _varint(message, position)
            yield number, value
        elif kind == DELIMITED:
            length, position = _varint(message, position)
            position += length
        elif kind in (EIGHT_BYTES, FOUR_BYTES):
            position += 8 if kind == EIGHT_BYTES else 4
        else:
            raise ValueError(f"a field of kind {kind}")
    if position > len(message):
        raise IndexError


def _varint(message: bytes, position: int) -> tuple[int, int]:
    """Return an integer of at most 64 bits, and the position after it."""
    value = 0
    for shift in range(0, 64, 7):
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise ValueError("an integer of more than 64 bits")


def _message(service: str) -> bytes:
    """Return a `HealthCheckRequest` as a message of gRPC. A name has less than 128 bytes (`kinds.PROBE`)."""
    name = service.encode()
    message = b"\x0a%c%b" % (len(name), name) if name else b""
    return b"\0" + len(message).to_bytes(4) + message


def _block(authority: str, timeout: float, *, tls: bool) -> bytes:
    """Return the header block of the call."""
    fields = [
        (b":method", b"POST"),
        (b":scheme", b"https" if tls else b"http"),
        (b":authority", authority.encode()),
        (b":path", b"/grpc.health.v1.Health/Check"),
        (b"te", b"trailers"),
        (b"content-type", b"application/grpc"),
        (b"user-agent", b"pylb-probe"),
        (b"grpc-timeout", b"%dm" % min(ceil(timeout * 1000), 99_999_999)),
    ]
    return b"".join([encoder.field(name, value) for name, value in fields])
