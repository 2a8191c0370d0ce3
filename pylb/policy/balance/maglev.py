"""A Maglev table: a fixed assignment of hashes to members, the same in every process and on every node.

Each member has a permutation of the table's slots, derived from its name. The members take free slots in
turn, each the first free one of its permutation, until the table is full (Eisenbud and others, "Maglev",
NSDI 2016, section 3.4). A member of half the greatest weight takes a slot in every second round, as in Envoy.
Removing a member frees its slots and moves few others.

The table depends only on names and weights: the members are sorted, and no seeded `hash()` is used. This file
knows no backends, does no I/O and reads no clock.
"""

from __future__ import annotations

from array import array
from collections.abc import Generator, Mapping
from hashlib import blake2b

SIZES = (251, 1021, 4093, 16381, 65537)
"""Sizes of tables. They are prime, so that every step between slots visits all of them."""

SLOTS_PER_MEMBER = 100
"""Slots that a table has for each member, up to the greatest size: shares are then within a few percent."""

SLICE = 1000
"""Slots that are visited between two yields of `build_table`: about 0.5 ms."""


def table_size(members: int) -> int:
    """Return the number of slots of a table of so many members."""
    return next((size for size in SIZES if size >= SLOTS_PER_MEMBER * members), SIZES[-1])


def build_table(weights: Mapping[str, float]) -> Generator[None, None, array[int]]:
    """Build a table in slices: the generator yields after each of them and returns the table.

    Args:
        weights: the weight of each member by its name, all above 0; at least one.

    Returns:
        For each slot, the index of its member in the order of sorted names.
    """
    size, names = table_size(len(weights)), sorted(weights)
    greatest = max(weights.values())
    shares = [weights[name] / greatest for name in names]
    places, steps = [], []
    for name in names:
        place, step = _permutation(name, size)
        places.append(place)
        steps.append(step)
        if len(steps) % SLICE == 0:
            yield
    table = array("i", [-1]) * size
    credit = [0.0] * len(names)
    free, visited = size, 0
    while free:
        for member, share in enumerate(shares):
            visited += 1
            if visited >= SLICE:  # The last free slots are far apart.
                visited = 0
                yield
            credit[member] += share
            if credit[member] < 1 or not free:
                continue
            credit[member] -= 1
            place, step = places[member], steps[member]
            while table[place] >= 0:
                place = (place + step) % size
                visited += 1
            table[place] = member
            places[member] = (place + step) % size
            free -= 1
    return table


def _permutation(name: str, size: int) -> tuple[int, int]:
    """Return the first slot of a member and the step to each next one."""
    digest = blake2b(name.encode(), digest_size=16).digest()
    first, step = int.from_bytes(digest[:8]), int.from_bytes(digest[8:])
    return first % size, step % (size - 1) + 1
