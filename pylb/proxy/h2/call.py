"""A call of gRPC: a stream with a deadline of the caller, and with a result in place of an HTTP status.

Calls may be silent for long: a method that watches something sends nothing until it happens. So the time
limits of responses and bodies do not apply to them, but that of tunnels (`Service.for_calls`), and the
deadline that the caller sets in `grpc-timeout`, which counts from the head of the request.
"""

from __future__ import annotations

from copy import copy
from math import inf
from time import monotonic
from typing import Any, cast

from pylb.errors import Fault, Phase, ProxyError
from pylb.grpc_codes import CANCELLED
from pylb.http1.parser import Request
from pylb.http2 import grpc
from pylb.http2.response_heads import trailers_block
from pylb.http2.server_session import Head
from pylb.observe.record import Record
from pylb.policy.backend import Backend
from pylb.proxy.h2.stream import ClientCarrier, H2Stream
from pylb.proxy.service import Service
from pylb.proxy.upstream.binding import Bindings


class _NoIdle(Bindings):
    """An idle connection has HTTP/1.1, so a call uses none."""

    def idle(self, backend: Backend) -> list[Any]:  # noqa: ARG002
        return []


_NO_IDLE = _NoIdle()


class Call(H2Stream):
    """A stream that carries a call of gRPC; see `H2Stream`."""

    __slots__ = ("_late", "_limits")

    needs_http2 = True

    def __init__(self, carrier: ClientCarrier, number: int, head: Head) -> None:
        super().__init__(carrier, number, head)
        self._limits: Service
        self.bound = _NO_IDLE
        self._late = False
        """Whether the caller's deadline has passed inside the response."""
        timeout = grpc.timeout_of(cast(bytes, head))
        if timeout < inf:
            self.latest_deadline = monotonic() + timeout

    @property
    def service(self) -> Service:
        """What the call uses, with the time limits of calls."""
        return self._limits

    @service.setter
    def service(self, service: Service) -> None:
        self._limits = service.for_calls

    def set_deadline(self, now: float, seconds: float) -> None:
        """Expire after that many seconds without progress, and in any case at the caller's deadline."""
        super().set_deadline(now, seconds)
        self.deadline = min(self.deadline, self.latest_deadline)

    def after_delay(self, request: Request, now: float) -> Request:
        """Return the request with the time that remains until the caller's deadline."""
        remaining = self.latest_deadline - now
        if remaining == inf:
            return request
        if remaining <= 0:
            raise ProxyError(
                Phase.QUEUE, Fault.UPSTREAM_TIMEOUT, "the call's deadline has passed", status=504
            )
        late = copy(request)
        late.lines, late.cached_head = grpc.with_timeout(request.lines, remaining), b""
        return late

    def makes_progress(self, quota: float) -> bool:
        """Return True, and restart the timeout, if an expired client still reads, before its deadline."""
        return monotonic() < self.latest_deadline and super().makes_progress(quota)

    def wake(self) -> None:
        """Resume the coroutine. A response that has begun ends at the deadline, which blames no backend."""
        if self.expired and self.started and not self.lost and monotonic() >= self.latest_deadline:
            self._late = self.lost = True
        super().wake()

    def lost_error(self, phase: Phase) -> ProxyError:
        """Return the reason why the call ended in that phase."""
        if self._late:
            return ProxyError(phase, Fault.CLIENT_TIMEOUT, "the call's deadline has passed", status=504)
        return super().lost_error(phase)

    def answer(self, record: Record, request: Request, status: int, fields: bytes, text: bytes = b"") -> bool:
        """Send a response of pylb, an error as a result; return True."""
        if status < 400:
            return super().answer(record, request, status, fields, text)
        record.status = status
        record.sending = True
        record.grpc_code = grpc.code_of_status(status)
        self._send_result(record, grpc.result(record.grpc_code, grpc.reason(status)))
        return True

    def refuse(self, record: Record, error: ProxyError) -> None:
        """End the call with the code of the error, also inside a response.

        Trailers with an error cannot be taken for a complete response, and clients may know that they can
        send the call again.
        """
        if self.cut_off:
            self.lost = False  # The connection closes after this.
        record.grpc_code = CANCELLED if self.lost and not self._late else grpc.code_of(error)
        if self._late:
            self._carrier.session.end(self, trailers_block(grpc.failure(error)))
            self._carrier.schedule()
        elif self.lost or (record.sending and error.fault is Fault.CLIENT_TIMEOUT):
            super().refuse(record, error)
        elif record.sending:
            self._carrier.end_later(self, trailers_block(grpc.failure(error)))
        else:
            self._send_result(record, grpc.failure(error))

    def _send_result(self, record: Record, lines: bytes) -> None:
        """Send the result without messages."""
        self._send_text(grpc.trailers_only(lines, record.id, self.context.date))
