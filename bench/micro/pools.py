"""Snapshots of any size, and pools that are made from them."""

from __future__ import annotations

from random import Random

from pylb.config.backends import PoolOptions
from pylb.model import Endpoint, PoolState
from pylb.policy.pool import Pool

SIZES = (3, 16, 100, 1_000, 10_000)
WEIGHTS = ("equal", "mixed")
"""Equal weights of 1; mixed weights from 1 to 100."""


def snapshot(size: int, weights: str = "equal") -> PoolState:
    """A snapshot of a service. Each call returns equal but new objects."""
    rng = Random(size)
    return PoolState(
        "web",
        tuple(
            Endpoint(
                "web",
                f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}",
                8080,
                dc="dc1",
                node=f"node-{number % 50}",
                id=f"web-{number}",
                weight=1 if weights == "equal" else rng.randint(1, 100),
            )
            for number in range(size)
        ),
    )


def pool(size: int, weights: str = "equal", policy: str = "least-connections") -> Pool:
    """A pool with its first snapshot applied."""
    made = Pool("web", PoolOptions(policy=policy), rng=Random(1))
    made.apply(snapshot(size, weights))
    return made
