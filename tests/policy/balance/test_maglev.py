"""The table: full, fair, the same everywhere, and little changed by a change of its members."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pylb.policy.balance.maglev import SIZES, SLICE, build_table, table_size

NAMES = st.text("0123456789.:abcdef", min_size=1, max_size=20)


def table_of(weights):
    """The member of each slot."""
    steps = build_table(weights)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            names = sorted(weights)
            return [names[index] for index in end.value]


def equal(count):
    return {f"10.0.{number}.1:80": 1.0 for number in range(count)}


@given(st.dictionaries(NAMES, st.integers(1, 1000).map(float), min_size=1, max_size=30))
def test_every_slot_has_a_member_and_the_order_of_members_is_irrelevant(weights):
    table = table_of(weights)
    assert len(table) == table_size(len(weights))
    assert table == table_of(dict(reversed(weights.items())))


@pytest.mark.parametrize("count", [1, 2, 10, 160])
def test_equal_members_have_equal_shares(count):
    counts = Counter(table_of(equal(count)))
    assert len(counts) == count
    assert max(counts.values()) - min(counts.values()) <= 1


def test_shares_are_in_proportion_to_weight():
    table = table_of({"a": 4.0, "b": 2.0, "c": 1.0, "d": 1.0})
    counts = Counter(table)
    assert counts["a"] / len(table) == pytest.approx(4 / 8, rel=0.02)
    assert counts["b"] / len(table) == pytest.approx(2 / 8, rel=0.02)
    assert counts["c"] / len(table) == pytest.approx(1 / 8, rel=0.02)


def test_a_member_that_leaves_moves_few_slots_of_the_others():
    weights = equal(100)
    before = table_of(weights)
    del weights["10.0.50.1:80"]
    after = table_of(weights)
    moved = sum(old != new for old, new in zip(before, after, strict=True) if old != "10.0.50.1:80")
    assert moved / len(before) < 0.03


def test_a_table_is_the_same_in_every_version():
    """Nodes of different versions have to agree, so this never changes."""
    table = table_of({"10.0.0.1:80": 1.0, "10.0.0.2:80": 1.0, "10.0.0.3:80": 2.0})
    assert "".join(name[7] for name in table[:12]) == "213233213233"


def test_steps_are_short():
    steps = sum(1 for _ in build_table(equal(300)))
    assert steps >= table_size(300) / SLICE / 2


def test_sizes_are_prime_and_grow_with_the_members():
    assert all(size % divisor for size in SIZES for divisor in range(2, int(size**0.5) + 1))
    assert [table_size(count) for count in (1, 3, 40, 41, 164, 100_000)] == [
        251,
        1021,
        4093,
        16381,
        65537,
        65537,
    ]
