from random import Random

import pytest

from pylb.policy.balance.round_robin import RoundRobin
from pylb.policy.balance.tiered import Tiered
from tests.policy.backends import backends, take


def tiered(*parts):
    """Tiers of one backend each."""
    members = backends(*[1] * len(parts))
    balancers = [RoundRobin([member], Random(1)) for member in members]
    return Tiered(list(zip(parts, balancers, strict=True)), Random(1))


def test_tiers_are_picked_by_their_part():
    picked = take(tiered(0.7, 0.2, 0.1), 10_000)
    assert [picked.count(tier) / 10_000 for tier in range(3)] == pytest.approx([0.7, 0.2, 0.1], abs=0.02)


def test_a_key_has_one_tier():
    balancer = tiered(0.5, 0.5)
    keys = [b"%d" % number for number in range(1000)]
    first = [balancer.pick(key) for key in keys]
    assert first == [balancer.pick(key) for key in keys]
    assert first.count(first[0]) == pytest.approx(500, abs=80)
