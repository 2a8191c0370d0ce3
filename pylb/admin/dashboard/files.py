"""Serves the dashboard's files. There is no build step, and the page sends requests to pylb only."""

from __future__ import annotations

from importlib.resources import files

from aiohttp import web
from aiohttp.typedefs import Handler

FILES = {
    "/": ("index.html", "text/html"),
    "/style.css": ("style.css", "text/css"),
    "/app.js": ("app.js", "text/javascript"),
    "/routes": ("routes.html", "text/html"),
    "/routes.js": ("routes.js", "text/javascript"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}
"""Path, file and type."""


def routes() -> list[web.RouteDef]:
    """A route for each file; all are read once, at the start."""
    folder = files(__package__)
    return [
        web.get(path, _sender((folder / name).read_bytes(), kind)) for path, (name, kind) in FILES.items()
    ]


def _sender(content: bytes, kind: str) -> Handler:
    async def send(_: web.Request) -> web.Response:
        return web.Response(body=content, content_type=kind, charset="utf-8")

    return send
