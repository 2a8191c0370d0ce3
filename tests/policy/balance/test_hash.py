"""The policy `hash`: which backend a key has, and when it has another one."""

from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pylb.policy.balance.hash import NO_KEY, HashPolicy, build, run_at_once
from tests.policy.backends import backends

KEYS = [b"client-%d" % number for number in range(500)]


def hashing(*members, factor=125):
    """A policy with the table of these members."""
    policy = HashPolicy(factor, Counter())
    run_at_once(policy.update(members))
    return policy


def owners(balancer):
    return {key: balancer.pick(key) for key in KEYS}


def test_a_key_has_one_backend_whatever_the_seed():
    members = backends(*[1] * 10)
    policy = hashing(*members)
    first = owners(policy(members, Random(1)))
    assert first == owners(policy(members[::-1], Random(2)))
    assert set(first.values()) == set(members)


@given(st.sets(st.integers(0, 9), min_size=1, max_size=10))
def test_only_keys_of_unfit_backends_move_and_they_return(fit):
    members = backends(*[1] * 10)
    policy = hashing(*members)
    before = owners(policy(members, Random(1)))
    eligible = [members[number] for number in fit]
    now = owners(policy(eligible, Random(1)))
    assert all(now[key] is before[key] for key in KEYS if before[key] in eligible)
    assert set(now.values()) <= set(eligible)
    assert owners(policy(members, Random(1))) == before


def test_a_member_that_leaves_moves_its_keys_and_few_others():
    members = backends(*[1] * 100)
    policy = hashing(*members)
    before = owners(policy(members, Random(1)))
    gone = members.pop()
    run_at_once(policy.update(members))
    now = owners(policy(members, Random(1)))
    moved = [key for key in KEYS if before[key] is not gone and now[key] is not before[key]]
    assert len(moved) / len(KEYS) < 0.03


def test_a_change_that_is_no_change_of_members_or_weights_makes_no_table():
    members = backends(1, 2)
    policy = hashing(*members)
    members[0].ramp(0.5)
    assert policy.update(members[::-1]) is None
    members[0].endpoint = members[1].endpoint
    assert policy.update(members) is not None


def test_the_old_table_serves_until_the_new_one_is_complete_and_the_last_change_wins():
    members = backends(*[1] * 30)
    policy = hashing(*members[:10])
    old = policy.slots
    slow, last = policy.update(members[:20]), policy.update(members)
    next(slow)
    assert policy.slots is old
    run_at_once(last)
    assert set(policy.slots) == set(members)
    run_at_once(slow)
    assert set(policy.slots) == set(members)


def test_without_members_there_is_no_table():
    policy = hashing(*backends(1))
    run_at_once(policy.update([]))
    assert policy.slots == []


def test_requests_without_a_key_are_balanced_and_counted():
    members = backends(*[1] * 3)
    policy = hashing(*members)
    balancer = policy(members, Random(1))
    assert {balancer.pick() for _ in range(3)} == set(members)
    assert policy.events[NO_KEY] == 3


@pytest.mark.parametrize(("factor", "most"), [(125, 13), (200, 20), (0, 40)])
def test_a_popular_key_does_not_overload_its_backend(factor, most):
    members = backends(*[1] * 4)
    balancer = hashing(*members, factor=factor)(members, Random(1))
    for _ in range(40):
        balancer.pick(b"popular").count(+1)
    assert max(member.inflight for member in members) == pytest.approx(most, abs=4)


def test_a_few_requests_are_no_overload():
    members = backends(*[1] * 4)
    balancer = hashing(*members)(members, Random(1))
    for _ in range(4):
        balancer.pick(b"popular").count(+1)
    assert max(member.inflight for member in members) == 4


def test_a_full_backend_is_skipped():
    members = backends(*[1] * 4)
    balancer = hashing(*members, factor=0)(members, Random(1))
    owner = balancer.pick(b"key")
    owner.limit = 1
    owner.count(+1)
    assert balancer.pick(b"key") is not owner
    owner.count(-1)
    assert balancer.pick(b"key") is owner


def test_a_new_backend_takes_its_keys_step_by_step():
    members = backends(*[1] * 4)
    balancer = hashing(*members)(members, Random(1))
    full = owners(balancer)
    newest = members[-1]
    counts = []
    for fraction in (0.1, 0.5, 1):
        newest.ramp(fraction)
        now = owners(balancer)
        assert all(now[key] is full[key] for key in KEYS if full[key] is not newest)
        counts.append(Counter(now.values())[newest])
    assert 0 < counts[0] < counts[1] < counts[2]


def test_without_a_pool_requests_are_balanced():
    members = backends(1, 1)
    balancer = build(members, Random(1))
    assert {balancer.pick(b"one"), balancer.pick(b"one")} == set(members)
