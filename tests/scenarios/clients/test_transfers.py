"""Large bodies through pylb, both ways, by length and in chunks, with the clients that people use."""

import asyncio
import gzip
import hashlib
import http.client
import io
import os
import urllib.request
from contextlib import asynccontextmanager, closing

import aiohttp
import httpx
import pytest
import requests
import urllib3
from aiohttp import web

from pylb.model import Endpoint
from tests.environment import Environment

pytestmark = pytest.mark.slow

BLOCK = os.urandom(1 << 16)
BLOCKS = int(os.environ.get("TRANSFER_BYTES", "8388608")) // len(BLOCK)
SIZE = BLOCKS * len(BLOCK)
DIGEST = hashlib.sha256(BLOCK * BLOCKS).hexdigest()


def blocks():
    return (BLOCK for _ in range(BLOCKS))


async def blocks_async():
    for block in blocks():
        yield block


async def download(request):
    answer = web.StreamResponse()
    if request.match_info["how"] == "length":
        answer.content_length = SIZE
    else:
        answer.enable_chunked_encoding()
    await answer.prepare(request)
    if request.method != "HEAD":
        for block in blocks():
            await answer.write(block)
    return answer


async def upload(request):
    digest = hashlib.sha256()
    async for data in request.content.iter_any():
        digest.update(data)
    how = "length" if request.content_length is not None else "chunked"
    return web.Response(text=f"{how} {digest.hexdigest()}")


@asynccontextmanager
async def service(*routes):
    """pylb before a backend; the URL."""
    app = web.Application(client_max_size=1 << 30)
    app.router.add_routes(routes or (web.get("/{how}", download), web.post("/", upload)))
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        async with Environment() as environment:
            environment.register(Endpoint("web", "127.0.0.1", runner.addresses[0][1], id="web-1"))
            yield f"http://127.0.0.1:{environment.port}"
            assert {record.termination for record in environment.records} == {"--"}
    finally:
        await runner.cleanup()


def digest_of(pieces):
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
    return digest.hexdigest()


class Curl:
    """The command."""

    extra = ()

    async def _run(self, *arguments, stdin=None):
        process = await asyncio.create_subprocess_exec(
            "curl", "-sS", "--fail", *self.extra, *arguments,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=1 << 24,
        )  # fmt: skip
        output, _ = await process.communicate(stdin)
        assert process.returncode == 0
        return output

    async def get(self, url):
        return digest_of([await self._run(url)])

    async def post(self, url, *, chunked):
        # From a file curl knows the length; from a pipe it does not. It asks with Expect: 100-continue first.
        how = ("-T", "-") if chunked else ("--data-binary", "@-")
        return (await self._run("-X", "POST", *how, url, stdin=BLOCK * BLOCKS)).decode()


class OldCurl(Curl):
    """Speaks HTTP/1.0."""

    extra = ("--http1.0",)


class Threaded:
    """A library that blocks."""

    async def get(self, url):
        return await asyncio.to_thread(self.fetch, url)

    async def post(self, url, *, chunked):
        return await asyncio.to_thread(self.send, url, blocks() if chunked else BLOCK * BLOCKS)


class Requests(Threaded):
    def fetch(self, url):
        with requests.get(url, stream=True) as answer:
            return digest_of(answer.iter_content(1 << 20))

    def send(self, url, data):
        return requests.post(url, data=data).text


class Httpx(Threaded):
    def fetch(self, url):
        with httpx.stream("GET", url) as answer:
            return digest_of(answer.iter_raw())

    def send(self, url, data):
        return httpx.post(url, content=data, timeout=60).text


class Urllib3(Threaded):
    def fetch(self, url):
        return digest_of(urllib3.request("GET", url, preload_content=False).stream(1 << 20))

    def send(self, url, data):
        return urllib3.request("POST", url, body=data).data.decode()


class Standard(Threaded):
    """Python's own."""

    def fetch(self, url):
        with urllib.request.urlopen(url) as answer:
            return digest_of(iter(lambda: answer.read(1 << 20), b""))

    def send(self, url, data):
        with closing(http.client.HTTPConnection(url.removeprefix("http://"))) as connection:
            connection.request("POST", "/", data)
            with connection.getresponse() as answer:
                return answer.read().decode()


class Aiohttp:
    async def get(self, url):
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            return digest_of([piece async for piece in answer.content.iter_any()])

    async def post(self, url, *, chunked):
        data = blocks_async() if chunked else io.BytesIO(BLOCK * BLOCKS)
        async with aiohttp.ClientSession() as session, session.post(url, data=data) as answer:
            return await answer.text()


class Node:
    """Node's fetch."""

    async def _run(self, script, stdin=b""):
        process = await asyncio.create_subprocess_exec(
            "node", "-e", script, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        output, _ = await process.communicate(stdin)
        return output.decode()

    async def get(self, url):
        return await self._run(
            f"""const hash = require('crypto').createHash('sha256');
            fetch('{url}').then(async r => {{ for await (const c of r.body) hash.update(c);
            process.stdout.write(hash.digest('hex')) }})"""
        )

    async def post(self, url, *, chunked):
        body = "process.stdin, duplex: 'half'" if chunked else "require('fs').readFileSync(0)"
        return await self._run(
            f"fetch('{url}', {{method: 'POST', body: {body}}}).then(async r => "
            "process.stdout.write(await r.text()))",
            BLOCK * BLOCKS,
        )


@pytest.mark.parametrize("client", [Curl, OldCurl, Requests, Httpx, Urllib3, Standard, Aiohttp, Node])
async def test_bodies_arrive_unchanged(client):
    async with service() as url:
        for how in ("length", "chunked"):
            assert await client().get(f"{url}/{how}") == DIGEST
        assert await client().post(url, chunked=False) == f"length {DIGEST}"
        if client is not OldCurl:  # HTTP/1.0 has no chunks.
            assert await client().post(url, chunked=True) == f"chunked {DIGEST}"


async def test_a_response_to_head_has_a_length_and_no_body():
    async with service() as url:
        answer = await asyncio.to_thread(requests.head, f"{url}/length")
        assert (answer.headers["Content-Length"], answer.content) == (str(SIZE), b"")


async def test_compressed_responses_are_forwarded_unchanged():
    """Client and backend agree on gzip between themselves; pylb changes neither question nor answer."""
    asked = []

    async def packed(request):
        asked.append(request.headers["Accept-Encoding"])
        return web.Response(body=gzip.compress(BLOCK, mtime=0), headers={"Content-Encoding": "gzip"})

    async with service(web.get("/", packed)) as url:
        for accepted in ("gzip", "br;q=0, gzip;q=0.5"):
            answer = await asyncio.to_thread(
                urllib3.request, "GET", url, headers={"Accept-Encoding": accepted}
            )
            assert (answer.headers["Content-Encoding"], answer.data) == ("gzip", BLOCK)
        assert await Curl()._run("--compressed", url) == BLOCK
        raw = await Curl()._run("-H", "Accept-Encoding: gzip", url)
        assert (raw, gzip.decompress(raw)) == (gzip.compress(BLOCK, mtime=0), BLOCK)
    assert asked[:2] == ["gzip", "br;q=0, gzip;q=0.5"]
