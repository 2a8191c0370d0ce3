"""A trace collector that accepts and discards all spans: `python -m bench.hotpath.collector PORT`."""

from __future__ import annotations

import sys

from aiohttp import web


async def take(request: web.Request) -> web.Response:
    """Read a whole batch and discard it."""
    await request.read()
    return web.Response()


def main() -> None:
    """Serve until the process is stopped."""
    app = web.Application(client_max_size=64 << 20)
    app.router.add_route("*", "/{path:.*}", take)
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), access_log=None, print=None)


if __name__ == "__main__":
    main()
