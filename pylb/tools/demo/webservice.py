"""The sample web service: each response is one line that names the client and the instance."""

from __future__ import annotations

import asyncio
import html
from datetime import datetime
from zlib import crc32

from aiohttp import web

from pylb.config.kinds import Address

SLOWEST = 60.0
"""Maximum delay that a request may ask for, in seconds."""
BODILESS = {204, 205, 304}
"""Statuses of responses without content."""


class WebService:
    """Answers every request with one line: the time, the number of the request, the client and the instance.

    Args:
        name: the name of the instance.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.requests = 0
        """Number of requests, without health checks."""

    def app(self) -> web.Application:
        """Return the application."""
        app = web.Application()
        app.router.add_get("/health", self.health)
        app.router.add_route("*", "/slow", self.slow)
        app.router.add_route("*", "/status/{code}", self.status)
        app.router.add_route("*", "/headers", self.headers)
        app.router.add_route("*", "/{path:.*}", self.line)
        return app

    async def health(self, _: web.Request) -> web.Response:
        """Answer a health check, and close its connection so that it does not count as a client's."""
        response = web.Response(text="ok\n")
        response.force_close()
        return response

    async def line(self, request: web.Request) -> web.Response:
        """Answer with the line, or with a page if the client accepts HTML."""
        return self._answer(request)

    async def slow(self, request: web.Request) -> web.Response:
        """Answer with the line after `?seconds=`."""
        seconds = _number(request.query.get("seconds", "1"), "seconds", 0, SLOWEST)
        await asyncio.sleep(seconds)
        return self._answer(request)

    async def status(self, request: web.Request) -> web.Response:
        """Answer with the line and the status in the path."""
        return self._answer(request, int(_number(request.match_info["code"], "status", 200, 599)))

    async def headers(self, request: web.Request) -> web.Response:
        """Answer with the received head of the request."""
        self.requests += 1
        version = f"HTTP/{request.version.major}.{request.version.minor}"
        fields = [b"%b: %b" % field for field in request.raw_headers]
        lines = [f"{request.method} {request.raw_path} {version}".encode(), *fields, b""]
        return web.Response(body=b"\n".join(lines), content_type="text/plain")

    def _answer(self, request: web.Request, status: int = 200) -> web.Response:
        self.requests += 1
        if status in BODILESS:
            return web.Response(status=status)
        client = request.headers.get("X-Forwarded-For", request.remote or "").partition(",")[0].strip()
        line = (
            f"{datetime.now():%H:%M:%S} request {self.requests} for {client}, "
            f"answered by {self.name} at {_own_address(request)}"
        )
        headers = {"Cache-Control": "no-store", "Vary": "Accept"}
        if "text/html" not in request.headers.get("Accept", ""):
            return web.Response(text=line + "\n", status=status, headers=headers)
        name, hue = html.escape(self.name), crc32(self.name.encode()) % 360
        page = PAGE.format(name=name, line=html.escape(line), hue=hue)
        return web.Response(text=page, status=status, headers=headers, content_type="text/html")


def _own_address(request: web.Request) -> str:
    """Return the local address of the connection; the listening address may be `0.0.0.0`."""
    name = request.transport.get_extra_info("sockname") if request.transport else None
    return str(Address(*name[:2])) if isinstance(name, tuple) else f"unix:{name}"


def _number(text: str, what: str, low: float, high: float) -> float:
    """Parse a number from a request.

    Raises:
        HTTPBadRequest: the text is not a number, or out of bounds.
    """
    try:
        value = float(text)
    except ValueError:
        value = low - 1
    if not low <= value <= high:
        raise web.HTTPBadRequest(text=f"{what}: got {text!r}, expected a number from {low:g} to {high:g}\n")
    return value


PAGE = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<title>{name}</title>
<style>
  body {{ margin: 20vh auto 0; padding: 0 1rem; text-align: center; font: 1.1rem/1.6 system-ui, sans-serif }}
  h1 {{ margin: 0; font-size: 4rem; color: hsl({hue} 65% 50%) }}
  a {{ margin: 0 .6rem; color: inherit }}
</style>
<h1>{name}</h1>
<p>{line}</p>
<nav>
  <a href="/">again</a>
  <a href="/slow?seconds=2">slow</a>
  <a href="/status/404">status 404</a>
  <a href="/headers">headers</a>
</nav>
</html>
"""
