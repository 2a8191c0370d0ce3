"""A minimal proxy of aiohttp's server and client.

Run as `python -m bench.lib.peers.stock_aiohttp PORT TLS-PORT CERTIFICATE ORIGIN-PORT...`.
"""

from __future__ import annotations

import asyncio
import itertools
import ssl
import sys
from collections.abc import AsyncIterator, Iterator

from aiohttp import ClientSession, ClientTimeout, TCPConnector, web
from multidict import CIMultiDict, CIMultiDictProxy

HOP_BY_HOP = ("Connection", "Keep-Alive", "Proxy-Connection", "TE", "Transfer-Encoding", "Upgrade")
SESSION = web.AppKey("session", ClientSession)
ORIGINS = web.AppKey("origins", Iterator[str])


def end_to_end(headers: CIMultiDictProxy[str]) -> CIMultiDict[str]:
    """The header fields without the hop-by-hop fields."""
    kept = CIMultiDict(headers)
    for name in HOP_BY_HOP:
        kept.popall(name, None)
    return kept


async def forward(request: web.Request) -> web.StreamResponse:
    """Forward one request to the next origin, and its response to the client."""
    origins = request.app[ORIGINS]
    headers = end_to_end(request.headers)
    headers.add("X-Forwarded-For", request.remote or "unknown")
    async with request.app[SESSION].request(
        request.method,
        next(origins) + request.path_qs,
        headers=headers,
        data=request.content if request.can_read_body else None,
        allow_redirects=False,
    ) as answer:
        response = web.StreamResponse(
            status=answer.status, reason=answer.reason, headers=end_to_end(answer.headers)
        )
        await response.prepare(request)
        async for chunk in answer.content.iter_any():
            await response.write(chunk)
        await response.write_eof()
    return response


async def client(app: web.Application) -> AsyncIterator[None]:
    """Provide one client session while the server runs."""
    async with ClientSession(
        auto_decompress=False, connector=TCPConnector(limit=0), timeout=ClientTimeout(total=None)
    ) as app[SESSION]:
        yield


async def main(port: str, tls_port: str, certificate: str, *origins: str) -> None:
    """Serve on the first two ports and forward to the others."""
    app = web.Application()
    app[ORIGINS] = itertools.cycle([f"http://127.0.0.1:{origin}" for origin in origins])
    app.cleanup_ctx.append(client)
    app.router.add_route("*", "/{path:.*}", forward)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate)
    await web.TCPSite(runner, "127.0.0.1", int(port)).start()
    await web.TCPSite(runner, "127.0.0.1", int(tls_port), ssl_context=tls).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
