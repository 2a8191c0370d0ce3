"""How the instances of one service are probed."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass, field

from pylb.config.backends import Health
from pylb.model import Endpoint

Tls = Callable[[Endpoint], tuple[ssl.SSLContext, str] | None]
"""Returns the TLS context and server name for an instance; None if its connections do not use TLS."""


@dataclass(frozen=True, slots=True)
class ProbeRules:
    """The rules of one service, which its settings may change at run time."""

    health: Health = field(default_factory=Health)
    """Which instances are probed, how often, for how long, and how many results make a verdict."""
    tls: Tls = lambda _: None
    tls_h2: Tls = lambda _: None
    """The same for connections that offer HTTP/2 only."""
