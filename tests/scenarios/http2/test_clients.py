"""Programs that people use, with HTTP/2 through pylb: with TLS, and with prior knowledge."""

import asyncio
import json
import re
import ssl
from contextlib import asynccontextmanager

import httpx
import pytest
from playwright.async_api import async_playwright
from websockets.asyncio.server import serve as serve_websocket

from pylb.model import Endpoint
from tests.certificates import presented
from tests.components import chromium_binary
from tests.environment import Environment, read_chunks
from tests.proxy.tls.test_certificates import serve as listen_tls
from tests.scenarios.see.browser import ARGUMENTS

pytestmark = pytest.mark.slow

LARGE = bytes(range(256)) * 8192
"""2 MiB."""

NODE = """
const http2 = require("http2");
const {readFileSync} = require("fs");
const [url, ca, count] = process.argv.slice(1);
const client = http2.connect(url, {ca: readFileSync(ca)});
const one = (n) => new Promise((done, failed) => {
  const stream = client.request({":method": "POST", ":path": `/echo/${n}`});
  let status, body = "", sum;
  stream.on("response", (fields) => { status = fields[":status"]; });
  stream.on("trailers", (fields) => { sum = fields["x-sum"]; });
  stream.setEncoding("utf8");
  stream.on("data", (text) => { body += text; });
  stream.on("end", () => done({status, same: body === `${n}`.repeat(1000), sum}));
  stream.on("error", failed);
  stream.end(`${n}`.repeat(1000));
});
Promise.all(Array.from({length: Number(count)}, (_, n) => one(n))).then((all) => {
  console.log(JSON.stringify(all));
  client.close();
});
"""


async def echo(reader, writer):
    """Send a body back with a trailer, or 2 MiB for a GET."""
    while True:
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = re.search(rb"content-length: (\d+)", head)
        if b"transfer-encoding: chunked" in head:
            body = await read_chunks(reader)
        else:
            body = await reader.readexactly(int(length[1])) if length else LARGE
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n")
        writer.write(b"%x\r\n%b\r\n0\r\nX-Sum: %d\r\n\r\n" % (len(body), body, len(body)))
        await writer.drain()


@asynccontextmanager
async def service(authority):
    """pylb before a backend; yields its URLs with TLS and without."""
    async with Environment() as environment:
        await environment.origin(echo)
        port = await listen_tls(environment, presented([authority.sign("127.0.0.1", "localhost")]))
        yield f"https://127.0.0.1:{port}", f"http://127.0.0.1:{environment.port}"
        assert {record.protocol for record in environment.records} == {"HTTP/2.0"}
        assert {record.termination for record in environment.records} == {"--"}


async def run(*command):
    """What a program writes to standard output; it must succeed."""
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    output, errors = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, errors.decode()
    return output


@pytest.mark.parametrize("how", ["--http2", "--http2-prior-knowledge"])
async def test_curl(authority, how, tmp_path):
    upload = tmp_path / "upload"
    upload.write_bytes(LARGE)
    async with service(authority) as (secure, plain):
        url = secure if how == "--http2" else plain
        command = ["curl", "-sS", how, "--cacert", authority.certificate]
        assert await run(*command, url + "/") == LARGE
        assert await run(*command, "--data-binary", f"@{upload}", url + "/") == LARGE
        # curl 7.88 cannot reuse a connection with prior knowledge, whatever the server.
        urls = [f"{url}/{n}" for n in range(5 if url is secure else 1)]
        head = await run(*command, "-o", "/dev/null", "-D", "-", *urls)
        assert head.count(b"HTTP/2 200") == len(urls)


async def test_nghttp(authority, tmp_path):
    upload = tmp_path / "upload"
    upload.write_bytes(LARGE)
    async with service(authority) as (secure, plain):
        for url in (secure, plain):
            assert await run("nghttp", "-y", url + "/") == LARGE
            assert await run("nghttp", "-y", "-d", str(upload), url + "/") == LARGE
        # Small windows, padded frames, and trailers of the request.
        command = ["nghttp", "-y", "-w", "10", "-W", "12", "-b", "100", "--trailer", "x-check: 1"]
        assert await run(*command, "-d", str(upload), plain + "/") == LARGE


@pytest.mark.parametrize("shape", [(64, 1), (8, 8), (1, 100)])
async def test_h2load(authority, shape):
    connections, streams = map(str, shape)
    async with service(authority) as (secure, plain):
        for url in (secure, plain):
            output = await run("h2load", "-n", "200", "-c", connections, "-m", streams, url + "/")
            assert b"200 succeeded, 0 failed, 0 errored, 0 timeout" in output


async def test_node_sends_a_hundred_requests_at_once(authority):
    async with service(authority) as (secure, _):
        answers = json.loads(await run("node", "-e", NODE, secure, authority.certificate, "100"))
        lengths = [str(1000 * len(str(number))) for number in range(100)]
        assert answers == [{"status": 200, "same": True, "sum": length} for length in lengths]


async def test_httpx(authority):
    async with service(authority) as (secure, _):
        context = ssl.create_default_context(cafile=authority.certificate)
        async with httpx.AsyncClient(http1=False, http2=True, verify=context) as client:
            answers = await asyncio.gather(
                *(client.post(secure, content=b"%d" % number * 50_000) for number in range(20))
            )
            assert [answer.content for answer in answers] == [b"%d" % n * 50_000 for n in range(20)]
            assert {answer.http_version for answer in answers} == {"HTTP/2"}
            assert (await client.get(secure)).content == LARGE


PAGE = """<!doctype html><title>talk</title>
<script>
const version = () => performance.getEntriesByType("navigation")[0].nextHopProtocol;
const fetchAll = (count) => Promise.all(Array.from({length: count},
  (_, number) => fetch(`/${number}`).then((answer) => answer.text())));
const talk = (text) => new Promise((done, failed) => {
  const socket = new WebSocket(`wss://${location.host}/socket`, ["chat"]);
  socket.onopen = () => socket.send(text);
  socket.onmessage = ({data}) => { done([data, socket.protocol]); socket.close(); };
  socket.onerror = failed;
});
</script>
"""


def page(connection, request):
    """Answer requests without an upgrade with the page."""
    if "Upgrade" in request.headers:
        return None
    response = connection.respond(200, PAGE)
    del response.headers["Content-Type"]
    response.headers["Content-Type"] = "text/html"
    return response


async def test_chromium_loads_a_page_and_opens_websockets_on_the_same_connection(authority):
    async def talk(socket):
        async for message in socket:
            await socket.send(message)

    async with (
        Environment() as environment,
        serve_websocket(talk, "127.0.0.1", 0, subprotocols=["chat"], process_request=page) as server,
        async_playwright() as playwright,
    ):
        backend = server.sockets[0].getsockname()[1]
        environment.register(Endpoint("web", "127.0.0.1", backend, id="web-1"))
        port = await listen_tls(environment, presented([authority.sign("127.0.0.1", "localhost")]))
        browser = await playwright.chromium.launch(executable_path=chromium_binary(), args=ARGUMENTS)
        tab = await browser.new_page(ignore_https_errors=True)
        await tab.goto(f"https://127.0.0.1:{port}/")
        assert await tab.evaluate("version()") == "h2"
        assert await tab.evaluate("fetchAll(50)") == [PAGE] * 50
        text = "x" * 100_000
        talking = [tab.evaluate("(text) => talk(text)", f"{number} {text}") for number in range(10)]
        assert await asyncio.gather(*talking) == [[f"{number} {text}", "chat"] for number in range(10)]
        await browser.close()
    statuses = {(record.protocol, record.status) for record in environment.records}
    assert ("HTTP/2.0", 101) in statuses
    assert {protocol for protocol, _ in statuses} == {"HTTP/2.0"}
