"""A trace through a whole pylb: from the client's span to the backend, and to the collector."""

import re
import signal

import aiohttp
import pytest
from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.environment import read_request
from tests.scenarios.processes.program import Program
from tests.until import until

pytestmark = pytest.mark.slow

ID, CLIENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.mark.parametrize("workers", [1, 2])
async def test_client_pylb_and_backend_are_spans_of_one_trace(aiohttp_server, tmp_path, workers):
    spans, heads = [], []

    async def take(request):
        exported = ExportTraceServiceRequest.FromString(await request.read())
        spans.extend(s for r in exported.resource_spans for scope in r.scope_spans for s in scope.spans)
        return web.Response()

    async def handle(reader, writer):
        while head := await read_request(reader):
            heads.append(head)
            writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")

    app = web.Application()
    app.router.add_post("/v1/traces", take)
    collector = await aiohttp_server(app)
    async with Program(tmp_path, "--otlp", f"http://127.0.0.1:{collector.port}", workers=workers) as pylb:
        await pylb.origin(handle)
        await pylb.start()
        async with aiohttp.ClientSession() as http:
            for flags in ("01", "00"):
                fields = {"traceparent": f"00-{ID}-{CLIENT}-{flags}"}
                async with http.get(pylb.url, headers=fields) as answer:
                    assert answer.status == 204
        pylb.send(signal.SIGTERM)
        assert await pylb.ended() == 0
        await until(lambda: spans)
    server, attempt = spans
    assert {s.trace_id.hex() for s in spans} == {ID}
    assert (server.parent_span_id.hex(), attempt.parent_span_id) == (CLIENT, server.span_id)
    exported = [re.search(rb"traceparent: 00-(\w+)-(\w+)-(\w+)", head).groups() for head in heads]
    assert exported[0] == (ID.encode(), server.span_id.hex().encode(), b"01")
    assert exported[1][2] == b"00", "who began this one did not want it recorded"
