"""The version of HTTP on the connections to a backend, as the API shows it. Nothing here changes state."""

from __future__ import annotations

from collections.abc import Callable

from pylb.admin.openapi import PROTOCOLS
from pylb.admin.service import setting
from pylb.admin.views import View

HTTP1, HTTP2, AUTO = PROTOCOLS
"""The values of `--upstream-protocol`. A backend has `auto` if it chooses, and no connection is open."""


def protocols(view: View, service: str) -> Callable[[str, int, bool], str]:
    """Return a function that returns the protocol of a backend of a service.

    Its arguments are the protocol that the endpoint declares, empty for none; the number of connections with
    HTTP/2; and whether there are others.
    """
    if setting(view, service, "upstream-proxy-protocol") != "off":
        return lambda _declared, _http2, _http1: HTTP1  # Its header names the client of one request.
    default = setting(view, service, "upstream-protocol")

    def protocol(declared: str, http2: int, http1: bool) -> str:  # noqa: FBT001
        used = declared or default
        if used != AUTO:
            return used
        return HTTP2 if http2 else HTTP1 if http1 else AUTO

    return protocol
