"""What a service declares if its instances differ: the majority of healthy instances decides.

During a rolling update instances differ for a while. Traefik removes a router that two instances define in
two ways, so the service is unreachable meanwhile; here the majority keeps it reachable.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import TypeVar

from pylb.model import Endpoint

T = TypeVar("T", bound=Hashable)


def agree(
    endpoints: Sequence[Endpoint], read: Callable[[Endpoint], T]
) -> tuple[T | None, tuple[Endpoint, ...]]:
    """Return what most healthy instances declare, and the instances that declare something else.

    Of two declarations with equally many instances, the one of the oldest instance counts. If no instance is
    healthy, all of them decide.

    Args:
        endpoints: the instances of a service.
        read: returns what an instance declares.
    """
    declared = [(endpoint, read(endpoint)) for endpoint in endpoints]
    voters = [each for each in declared if each[0].status == "passing"] or declared
    votes: dict[T, list[Endpoint]] = {}
    for endpoint, declaration in voters:
        votes.setdefault(declaration, []).append(endpoint)
    if not votes:
        return None, ()
    winner = min(votes, key=lambda each: (-len(votes[each]), min(map(_age, votes[each]))))
    return winner, tuple(endpoint for endpoint, declaration in declared if declaration != winner)


def _age(endpoint: Endpoint) -> tuple[int, str, str]:
    return (endpoint.created, endpoint.node, endpoint.id)
