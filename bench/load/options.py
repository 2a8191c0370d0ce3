"""The options of the load test and of its scaler."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bench.lib.options import consul_url, positive, seconds


def add_instances(option: Callable[..., Any]) -> None:
    """Add the options of both: the instances.

    Args:
        option: `add_argument` of a parser.
    """
    option("--service", default="web", help="service of the instances (web)")
    option(
        "--address",
        default="127.0.0.1",
        help="address of this machine on which the instances listen (127.0.0.1)",
    )
    option("--instances", type=positive, default=3, help="permanent instances (3)")
    option("--temporary", type=positive, default=5, help="highest number of temporary instances (5)")
    option("--every", type=seconds, default=1.0, help="seconds between two changes (1)")


def add_balancer(option: Callable[..., Any]) -> None:
    """Add the options of the load test alone: the registry, and the balancer to watch.

    Args:
        option: `add_argument` of a parser.
    """
    option(
        "--consul",
        type=consul_url,
        metavar="HOST:PORT",
        help="registry for the instances; without it, no instances are started",
    )
    option(
        "--pid",
        type=positive,
        default=0,
        help="first process of the balancer on this machine; by default none is watched",
    )
    option(
        "--admin",
        default="",
        metavar="URL",
        help="admin API of a pylb whose workers are watched; by default none",
    )
