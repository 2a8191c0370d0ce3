"""Spans, as a collector receives them."""

import asyncio

import pytest
from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from pylb.errors import Fault, Phase, ProxyError
from pylb.http1.trace import Trace
from pylb.sinks.otlp import OtlpExporter
from tests.observe.records import attempt, backend, record

ID, SPAN, PARENT = b"4bf92f3577b34da6a3ce929d0e0e4736", b"00f067aa0ba902b7", b"b7ad6b7169203331"


class Collector:
    """Takes spans by OTLP over HTTP."""

    def __init__(self):
        self.spans = []
        self.resources = []

    async def take(self, request):
        assert request.content_type == "application/x-protobuf"
        exported = ExportTraceServiceRequest.FromString(await request.read())
        for resource in exported.resource_spans:
            self.resources.append({a.key: a.value.string_value for a in resource.resource.attributes})
            for scope in resource.scope_spans:
                self.spans += scope.spans
        return web.Response()


@pytest.fixture
async def collector(aiohttp_server):
    collector = Collector()
    app = web.Application()
    app.router.add_post("/v1/traces", collector.take)
    collector.url = str((await aiohttp_server(app)).make_url("")).rstrip("/")
    return collector


def recorded(*attempts, trace=Trace(ID, SPAN, PARENT, True), **fields):  # noqa: B008 - it never changes
    done = record(*attempts, id=b"5f0c", target=b"/cart?id=1", host=b"a.example", **fields)
    done.request.trace = trace
    return done


async def sent(url, *records):
    spans = OtlpExporter(url)
    for each in records:
        spans.add(each)
    await asyncio.to_thread(spans.close)


def attributes(span):
    return {a.key: getattr(a.value, a.value.WhichOneof("value")) for a in span.attributes}


async def test_a_request_and_its_attempts_are_spans_of_the_clients_trace(collector):
    unreachable = attempt(backend(), connect=-1, error=ProxyError(Phase.CONNECT, Fault.UPSTREAM, "refused"))
    answered = attempt(backend("10.0.0.2"), started=100.25, connect=0.5, head=0.75, status=200)
    await sent(collector.url, recorded(unreachable, answered, duration=2.0))
    server, first, second = collector.spans
    assert {s.trace_id.hex().encode() for s in collector.spans} == {ID}
    assert (server.span_id.hex().encode(), server.parent_span_id.hex().encode()) == (SPAN, PARENT)
    assert {first.parent_span_id, second.parent_span_id} == {server.span_id}
    assert len({s.span_id for s in collector.spans}) == 3
    assert (server.name, server.kind, first.kind) == ("GET web", 2, 3)
    assert server.end_time_unix_nano - server.start_time_unix_nano == pytest.approx(2e9, abs=1e3)
    assert first.end_time_unix_nano == second.start_time_unix_nano
    assert (first.status.code, first.status.message, second.status.code) == (2, "refused", 0)
    assert attributes(server) == {
        "http.request.method": "GET",
        "url.path": "/cart",
        "url.query": "id=1",
        "network.protocol.version": "1.1",
        "server.address": "a.example",
        "client.address": "192.0.2.7",
        "http.response.status_code": 200,
        "pylb.service": "web",
        "pylb.request_id": "5f0c",
        "pylb.termination": "--",
    }
    assert attributes(first)["error.type"] == "SC"
    exported = attributes(second)
    assert (exported["server.address"], exported["server.port"], exported["http.request.resend_count"]) == (
        "10.0.0.2",
        80,
        1,
    )
    assert (exported["pylb.connect.seconds"], exported["pylb.head.seconds"]) == (0.5, 0.75)
    assert collector.resources[0]["service.name"] == "pylb"


async def test_unsampled_requests_are_not_sent(collector):
    unheard = record()
    unheard.request = None
    begun = recorded(trace=Trace(ID, PARENT, b"", True))
    await sent(collector.url, record(), unheard, recorded(trace=Trace(ID, SPAN, b"", False)), begun)
    (span,) = collector.spans
    assert (span.span_id.hex().encode(), span.parent_span_id) == (PARENT, b"")


async def test_a_failed_service_is_an_error_and_a_disconnected_client_is_not(collector):
    failed, left = recorded(status=503), recorded(status=499)
    failed.ended(ProxyError(Phase.QUEUE, Fault.DOWN, "no instance"))
    left.ended(ProxyError(Phase.HEADERS, Fault.CLIENT, "the client left"))
    await sent(collector.url, failed, left)
    assert [(s.status.code, s.status.message) for s in collector.spans] == [(2, "no instance"), (0, "")]


async def test_an_unavailable_collector_delays_nothing(unused_tcp_port):
    async with asyncio.timeout(10):
        await sent(f"http://127.0.0.1:{unused_tcp_port}", recorded())
