"""The choice of a handler for the requests of a connection.

A new handler is one file with a function of type `exchange.Handler`, a field of `HandlerRules` and a line of
`choose_handler`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

from pylb.policy.networks import Networks
from pylb.proxy.exchange import Handler
from pylb.proxy.forward import forward
from pylb.proxy.handlers.debug_header import debug_header
from pylb.proxy.handlers.redirect import redirect


@dataclass(frozen=True, slots=True)
class HandlerRules:
    """Which requests are not simply forwarded."""

    redirect_port: int = 0
    """The port to which clients without TLS are redirected; 0 to serve them."""
    explain_to: Networks = field(default_factory=lambda: Networks(()))
    """Peers that may ask for the debug header."""


def choose_handler(rules: HandlerRules, address: str, tls: bool) -> Handler:  # noqa: FBT001
    """Return the handler for all requests of a connection.

    Args:
        rules: which requests are not simply forwarded.
        address: the client's.
        tls: whether the connection uses TLS.
    """
    if rules.redirect_port and not tls:
        return partial(redirect, rules.redirect_port)
    if address in rules.explain_to:
        return debug_header
    return forward
