"""An origin for large bodies, which it generates while sending and discards while receiving.

Run as `python -m bench.hotpath.streaming_origin PORT`. GET returns `?bytes=N` zero bytes; POST returns the
number of bytes that it received.
"""

from __future__ import annotations

import sys

from aiohttp import web

CHUNK = bytes(256 * 1024)


async def send(request: web.Request) -> web.StreamResponse:
    """Send the number of bytes that the query names."""
    size = int(request.query.get("bytes", 0))
    response = web.StreamResponse(headers={"Content-Length": str(size)})
    await response.prepare(request)
    for start in range(0, size, len(CHUNK)):
        await response.write(CHUNK[: size - start])
    await response.write_eof()
    return response


async def receive(request: web.Request) -> web.Response:
    """Read the whole body and return its length."""
    return web.Response(text=str(sum([len(chunk) async for chunk in request.content.iter_any()])))


def main() -> None:
    """Serve on the port of the command line."""
    app = web.Application()
    app.router.add_get("/", send)
    app.router.add_post("/", receive)
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), access_log=None, print=None)


if __name__ == "__main__":
    main()
