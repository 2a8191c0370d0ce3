"""Access control of the admin port.

Every client that reaches the port can read. Changes need the token; without a token, they are accepted only
on a loopback address. A web page of another site can do neither, even in the browser of an operator: `Host`
reveals DNS rebinding, and `Origin` reveals a cross-site request. There are no cookies that a page could use,
and no CORS headers that would let a page read a response.
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
"""The security headers of every response."""


class Access:
    """Accepts or rejects each request before its handler runs.

    Args:
        loopback: whether the port listens on loopback addresses only.
        token: the bearer token that changes need; empty for none.
    """

    def __init__(self, *, loopback: bool = True, token: str = "") -> None:
        self.loopback = loopback
        self.token = token

    def rejection(self, request: web.Request) -> tuple[int, str] | None:
        """Return status and reason if the request is rejected, else None."""
        host = request.headers.get("Host")  # old health checks send none; every browser does
        if host and "@" in host:
            raise ValueError(host)
        if self.loopback and host and not is_loopback(name := URL(f"//{host}").host or ""):
            return (
                421,
                f"the admin port accepts loopback names only: use 127.0.0.1 or localhost, not {name!r}",
            )
        if request.method in READING:
            return None
        origin = request.headers.get("Origin", "")
        if origin and URL(origin).authority != URL(f"//{request.host}").authority:
            return 403, "cross-site requests cannot change state"
        if not self.token:
            return None if self.loopback else (403, "changes need a token: start pylb with --admin-token")
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if not compare_digest(given.encode("utf-8", "surrogateescape"), self.token.encode()):
            return 401, "expected the header field: Authorization: Bearer TOKEN"
        return None

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Reject the request, or call its handler."""
        try:
            rejection = self.rejection(request)
        except ValueError:
            rejection = 400, "the Host or Origin field is invalid"
        if rejection is None:
            return await handler(request)
        status, reason = rejection
        response = web.json_response({"error": reason}, status=status)
        if status == 401:
            response.headers["WWW-Authenticate"] = "Bearer"
        return response


async def secure(_: web.Request, response: web.StreamResponse) -> None:
    """Add `HEADERS` to a response before it is sent (`on_response_prepare`)."""
    response.headers.update(HEADERS)


def is_loopback(host: str) -> bool:
    """Whether a name or an address is a loopback one, without a DNS query."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def read_token(token: str | None, path: str | None) -> str:
    """The token in force; the file takes precedence.

    Raises:
        UsageError: the file is empty, so that no change would be rejected.
    """
    if path is None:
        return token or ""
    content = Path(path).read_text().strip()
    if not content:
        raise UsageError(f"--admin-token-file: {path} is empty, expected a token in it")
    return content
