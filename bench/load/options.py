"""What the load test and its scaler are told on their command lines."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bench.lib.options import consul_url, positive, seconds


def add_instances(option: Callable[..., Any]) -> None:
    """Declare what both take: the instances that come and go.

    Args:
        option: `add_argument` of a parser.
    """
    option("--service", default="web", help="whose instances they are (web)")
    option("--address", default="127.0.0.1", help="where they listen, on this machine (127.0.0.1)")
    option("--instances", type=positive, default=3, help="how many stay (3)")
    option("--passing", type=positive, default=5, help="how many come and go (5)")
    option("--every", type=seconds, default=1.0, help="seconds between two changes (1)")


def add_balancer(option: Callable[..., Any]) -> None:
    """Declare what Locust takes beside: where the instances come and go, and which balancer is watched.

    Args:
        option: `add_argument` of a parser.
    """
    option("--consul", type=consul_url, metavar="HOST:PORT", help="where instances come and go")
    option("--pid", type=positive, default=0, help="the balancer's first process, on this machine")
    option("--admin", default="", metavar="URL", help="pylb's admin server")
