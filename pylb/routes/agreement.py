"""What a service declares if its instances differ: the majority of healthy instances decides.

During a rolling update instances differ for a while. Traefik removes a router that two instances define in
two ways, so the service is unreachable meanwhile; here the majority keeps it reachable.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any, TypeVar

from pylb.model import Endpoint

T = TypeVar("T")


def agree(
    endpoints: Sequence[Endpoint],
    read: Callable[[Endpoint], T],
    meaning: Callable[[Any], Hashable] = lambda declared: declared,
) -> tuple[T | None, tuple[Endpoint, ...]]:
    """Return what most healthy instances declare, and the instances that declare something else.

    Of two declarations with equally many instances, the one of the oldest instance counts. If no instance is
    healthy, all of them decide.

    Args:
        endpoints: the instances of a service.
        read: returns what an instance declares.
        meaning: returns a value that is equal for declarations with the same effect.
    """
    declared = [(endpoint, read(endpoint)) for endpoint in endpoints]
    if not declared:
        return None, ()
    voters = [each for each in declared if each[0].status == "passing"] or declared
    votes: dict[Hashable, list[Endpoint]] = {}
    for endpoint, declaration in voters:
        votes.setdefault(meaning(declaration), []).append(endpoint)
    winner = min(votes, key=lambda each: (-len(votes[each]), min(map(_age, votes[each]))))
    agreed = next(declaration for _, declaration in voters if meaning(declaration) == winner)
    return agreed, tuple(endpoint for endpoint, declaration in declared if meaning(declaration) != winner)


def _age(endpoint: Endpoint) -> tuple[int, str, str]:
    return (endpoint.created, endpoint.node, endpoint.id)
