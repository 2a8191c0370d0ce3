"""Turns: the smooth weighted schedule behind round-robin, and behind ties in least-connections.

Each member has a turn on a common, virtual clock; the earliest is served, and its next turn comes 1 / weight
later (earliest deadline first, as Envoy schedules its weighted round-robin). Between two turns of a member of
weight v, another one of weight w has w / v turns, rounded up or down: so out of a total W a member's turns
come W / v picks apart, give or take one for each other member. That is the smoothness of nginx's algorithm,
for one step in an ordered structure instead of a walk over all members.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random


def first_turns(weights: Sequence[float], rng: Random) -> list[float]:
    """Enter the schedule of these weights at a random pick.

    The member that is served first is drawn by weight, the others are anywhere between two of their turns.
    Seen from a random pick, a schedule that has been running for ever looks just like this; therefore the
    first pick, and the second, and each later one, falls on a member exactly as often as its weight says.
    However often a pool changes, and in however many workers, nobody gains or loses by the rebuilding.
    """
    turns = [rng.random() / weight for weight in weights]
    if turns:
        (first,) = rng.choices(range(len(turns)), weights)
        turns[first] = 0.0
    return turns
