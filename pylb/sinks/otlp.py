"""Exports requests to an OpenTelemetry collector: spans made from records, sent by OTLP over HTTP.

A sampled request is one span of kind server, and each of its attempts a child span of kind client. A thread
of the OpenTelemetry library sends them in batches. If the collector is slow or unreachable, spans are dropped
and requests are not affected. Requires the packages of the extra `tracing`.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from time import monotonic, time
from typing import Any

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

from pylb import __version__
from pylb.errors import NORMAL
from pylb.http1.parser import Request
from pylb.http1.trace import Trace
from pylb.observe.accesslog import protocol, text
from pylb.observe.record import Record
from pylb.policy.lease import Lease

PATH = "/v1/traces"
"""The path at which collectors accept spans (OTLP specification, "OTLP/HTTP Request")."""
EXPORT_TIMEOUT = 2.0
"""Maximum seconds to send a batch. It is short because the end of the process waits for it."""

SCOPE = InstrumentationScope("pylb", __version__)
RECORDED = TraceFlags(TraceFlags.SAMPLED)


class OtlpExporter:
    """Sends spans to a collector.

    Args:
        collector: its URL, without a path.
    """

    def __init__(self, collector: str) -> None:
        self._resource = Resource.create({"service.name": "pylb", "service.version": __version__})
        self._processor = BatchSpanProcessor(OTLPSpanExporter(collector + PATH, timeout=EXPORT_TIMEOUT))
        self._rng = Random()

    def add(self, record: Record) -> None:
        """Queue the spans of a completed request, if it is sampled."""
        request = record.request
        if request is not None and request.trace is not None and request.trace.sampled:
            for span in self._spans(record, request, request.trace):
                self._processor.on_end(span)

    def close(self) -> None:
        """Send the queued spans, for at most `EXPORT_TIMEOUT` per batch."""
        self._processor.shutdown()  # type: ignore[no-untyped-call]

    def _spans(self, record: Record, request: Request, trace: Trace) -> Iterator[ReadableSpan]:
        epoch = time() - monotonic()
        own = _context(trace.id, int(trace.span, 16))
        path, _, query = request.target.partition(b"?")
        failed = record.termination != NORMAL and record.status != 499
        yield self._span(
            f"{text(request.method)} {record.service}",
            context=own,
            parent=_context(trace.id, int(trace.parent, 16)) if trace.parent else None,
            kind=SpanKind.SERVER,
            times=(record.started + epoch, record.finished + epoch),
            failure=record.detail if failed or record.status >= 500 else None,
            attributes={
                "http.request.method": text(request.method),
                "url.path": text(path),
                "url.query": text(query),
                "network.protocol.version": protocol(record).removeprefix("HTTP/"),
                "server.address": text(request.host),
                "client.address": record.client,
                "http.response.status_code": record.status,
                "pylb.service": record.service,
                "pylb.request_id": text(record.id),
                "pylb.termination": record.termination,
            },
        )
        for number, attempt in enumerate(record.attempts):
            ended = (
                record.attempts[number + 1].started if number + 1 < len(record.attempts) else record.finished
            )
            yield self._span(
                f"{text(request.method)} {attempt.backend.name}",
                context=_context(trace.id, self._rng.getrandbits(64) or 1),
                parent=own,
                kind=SpanKind.CLIENT,
                times=(attempt.started + epoch, ended + epoch),
                failure=attempt.error.detail if attempt.error else None,
                attributes=_attempt_attributes(attempt, number),
            )

    def _span(
        self,
        name: str,
        *,
        context: SpanContext,
        parent: SpanContext | None,
        kind: SpanKind,
        times: tuple[float, float],
        failure: str | None,
        attributes: dict[str, Any],
    ) -> ReadableSpan:
        return ReadableSpan(
            name,
            context,
            parent,
            self._resource,
            {key: value for key, value in attributes.items() if value not in ("", None)},
            kind=kind,
            status=Status() if failure is None else Status(StatusCode.ERROR, failure),
            start_time=int(times[0] * 1e9),
            end_time=int(times[1] * 1e9),
            instrumentation_scope=SCOPE,
        )


def _context(trace: bytes, span: int) -> SpanContext:
    return SpanContext(int(trace, 16), span, is_remote=False, trace_flags=RECORDED)


def _attempt_attributes(attempt: Lease, number: int) -> dict[str, Any]:
    endpoint = attempt.backend.endpoint
    return {
        "server.address": endpoint.address,
        "server.port": endpoint.port,
        "http.response.status_code": attempt.status or None,
        "http.request.resend_count": number or None,
        "error.type": attempt.error and attempt.error.code,
        "pylb.backend": endpoint.id,
        "pylb.connection.reused": attempt.reused,
        "pylb.connect.seconds": _seconds(attempt.started, attempt.connected),
        "pylb.head.seconds": _seconds(attempt.started, attempt.head),
    }


def _seconds(start: float, end: float) -> float | None:
    return round(end - start, 6) if end else None
