"""Who may do what on the admin port.

Reading is free for whoever reaches the port. Changing is for people on this machine, or for those with the
token. A web page that is open in such a person's browser may do neither: it is recognised by the names that
it cannot hide, `Host` (DNS rebinding) and `Origin` (a request across sites). There are no cookies, so nothing
is sent along that a page could use; and no CORS, so no page elsewhere can read an answer.
"""

from __future__ import annotations

from hmac import compare_digest
from ipaddress import ip_address
from pathlib import Path

from aiohttp import web
from aiohttp.typedefs import Handler
from yarl import URL

from pylb.errors import UsageError

READING = frozenset({"GET", "HEAD", "OPTIONS"})

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""On every answer."""


class Access:
    """Decides about each request before any handler sees it.

    Args:
        loopback: whether only this machine can reach the port.
        token: what a change must show; empty: nobody has one.
    """

    def __init__(self, *, loopback: bool = True, token: str = "") -> None:
        self.loopback = loopback
        self.token = token

    def refusal(self, request: web.Request) -> tuple[int, str] | None:
        """Status and reason, if the request may not go on."""
        host = request.headers.get("Host")  # old health checks send none; every browser does
        if host and "@" in host:
            raise ValueError(host)
        if self.loopback and host and not is_loopback(name := URL(f"//{host}").host or ""):
            return 421, f"this port is for this machine: use 127.0.0.1 or localhost, not {name!r}"
        if request.method in READING:
            return None
        origin = request.headers.get("Origin", "")
        if origin and URL(origin).authority != URL(f"//{request.host}").authority:
            return 403, "a page of another site may not change anything here"
        if not self.token:
            return None if self.loopback else (403, "to change something, start pylb with --admin-token")
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if not compare_digest(given.encode("utf-8", "surrogateescape"), self.token.encode()):
            return 401, "expected the header field: Authorization: Bearer TOKEN"
        return None

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Refuse, or pass on."""
        try:
            refusal = self.refusal(request)
        except ValueError:
            refusal = 400, "the Host or Origin field cannot be read"
        if refusal is None:
            return await handler(request)
        status, reason = refusal
        response = web.json_response({"error": reason}, status=status)
        if status == 401:
            response.headers["WWW-Authenticate"] = "Bearer"
        return response


async def secure(_: web.Request, response: web.StreamResponse) -> None:
    """Put `HEADERS` on a response that is about to be sent, whoever has made it (`on_response_prepare`)."""
    response.headers.update(HEADERS)


def is_loopback(host: str) -> bool:
    """Whether a name or an address means this machine, without asking a name server."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def read_token(token: str | None, path: str | None) -> str:
    """The token in force; the file goes first.

    Raises:
        UsageError: the file is empty, so that nobody's change would be stopped.
    """
    if path is None:
        return token or ""
    content = Path(path).read_text().strip()
    if not content:
        raise UsageError(f"--admin-token-file: {path} is empty, expected a token in it")
    return content
