"""The choice of a handler for the requests of a connection.

A new handler is one file with a function of type `exchange.Handler`, and one line here.
"""

from __future__ import annotations

from pylb.proxy.context import Context
from pylb.proxy.debug_header import debug_header
from pylb.proxy.exchange import Handler
from pylb.proxy.forward import forward
from pylb.proxy.redirect import redirect


def choose_handler(context: Context, address: str, tls: bool) -> Handler:  # noqa: FBT001
    """Return the handler for all requests of a connection.

    Args:
        context: of the worker.
        address: the client's.
        tls: whether the connection uses TLS.
    """
    if context.redirect_port and not tls:
        return redirect
    if address in context.explain_to:
        return debug_header
    return forward
