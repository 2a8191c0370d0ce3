"""The token of a sticky session in requests and responses: a cookie, or a header for other clients."""

from __future__ import annotations

from functools import lru_cache, partial

from pylb.http1.headers import ClientInfo
from pylb.http1.parser import Request, Response
from pylb.http1.writer import with_lines
from pylb.policy.backend import Backend
from pylb.policy.balance.sessions import token_of
from pylb.proxy.request_key import key_reader

COOKIE = "cookie"

MAX_TOKENS = 4096
"""Tokens of backends that are kept. To make one takes 2 us."""


class Sessions:
    """How the sessions of one service are carried.

    Args:
        sticky: a value of `--sticky`.
        service: the service.
        secret: the key of tokens.
        max_age: seconds for which a browser keeps the cookie; 0 until it is closed.
    """

    def __init__(self, sticky: str, service: str, secret: bytes, max_age: float) -> None:
        kind, _, name = sticky.partition(":")
        self._token = lru_cache(MAX_TOKENS)(partial(token_of, secret, service))
        self.read_key = key_reader(sticky)
        """Returns the token of a request; None if it has none."""
        if kind == COOKIE:
            self._before = b"\nSet-Cookie: %b=" % name.encode()
            self._after = b"; Path=/; HttpOnly; SameSite=Lax%b" % (
                b"; Max-Age=%d" % max_age if max_age else b""
            )
            self._secure = b"; Secure"
        else:
            self._before, self._after, self._secure = b"\n%b: " % name.encode(), b"", b""

    def issue(
        self, response: Response, client: ClientInfo, request: Request, backend: Backend, key: bytes | None
    ) -> Response:
        """Return the response with the token of its backend, if the client has another one or none.

        Args:
            response: of the backend; it is shared and stays as it is.
            client: of the connection.
            request: the request; with TLS, the cookie is for TLS only.
            backend: the backend that has responded.
            key: the token of the request; None if it had none.
        """
        token = self._token(backend.name)
        if token == key:
            return response
        secure = self._secure if client.identify(request).scheme == b"https" else b""
        line = b"".join((self._before, token, self._after, secure, b"\r"))
        return with_lines(response, line + response.lines)
