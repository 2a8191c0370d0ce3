"""Earliest deadline first: the smooth weighted schedule of round-robin, and of ties in least-connections.

Each member has a deadline on a common virtual clock. The member with the earliest deadline is served, and its
next deadline is 1 / weight later (as Envoy schedules its weighted round-robin). Between two deadlines of a
member of weight v, another one of weight w has w / v deadlines, rounded up or down. Out of a total weight W,
a member of weight w is therefore served every W / w picks, plus or minus one for each other member. That is
the smoothness of nginx's algorithm, for one step in an ordered structure instead of a scan of all members.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random


def initial_deadlines(weights: Sequence[float], rng: Random) -> list[float]:
    """Return deadlines that start the schedule of these weights at a random pick.

    The member that is served first is drawn by weight; each other one is at a random place between two of its
    deadlines. A schedule that has been running forever looks exactly like this at a random pick. Therefore
    each pick, from the first one on, selects a member exactly as often as its weight requires. No member
    gains or loses when the balancer is rebuilt, however often a pool changes and in however many workers.
    """
    deadlines = [rng.random() / weight for weight in weights]
    if deadlines:
        (first,) = rng.choices(range(len(deadlines)), weights)
        deadlines[first] = 0.0
    return deadlines
