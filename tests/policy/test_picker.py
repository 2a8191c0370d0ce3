"""How a pool with a table picks: members make the table, eligible ones are picked."""

from dataclasses import replace

from pylb.config.backends import PoolOptions
from pylb.model import PoolState
from pylb.policy.backend import State
from tests.policy.backends import endpoint, web_pool

KEYS = [b"client-%d" % number for number in range(300)]


def pool_of(*numbers, **options):
    pool = web_pool(policy="hash", **options)
    pool.apply(PoolState("web", tuple(map(endpoint, numbers))))
    return pool


def owners(pool, tried=()):
    return {key: pool.lease(tried, 0.0, key).backend.name for key in KEYS}


def test_two_pools_agree():
    assert owners(pool_of(1, 2, 3)) == owners(pool_of(3, 1, 2))


def test_a_backend_that_flaps_moves_only_its_keys():
    pool = pool_of(1, 2, 3, 4)
    before = owners(pool)
    flapping = next(iter(pool.backends.values()))
    flapping.state = State.FAILED
    pool.rebuild()
    now = owners(pool)
    assert {key for key in KEYS if now[key] != before[key]} == {k for k in KEYS if before[k] == flapping.name}
    flapping.state = State.UP
    pool.rebuild()
    assert owners(pool) == before


def test_a_retry_has_the_next_backend_of_the_table():
    pool = pool_of(1, 2, 3, 4)
    for key in KEYS[:50]:
        first = pool.lease((), 0.0, key).backend
        second = pool.lease((first,), 0.0, key).backend
        assert second is not first
        assert second is pool.lease((first,), 0.0, key).backend


def test_an_override_of_the_policy_makes_a_table_and_removes_it():
    pool = web_pool()
    endpoints = tuple(map(endpoint, (1, 2, 3)))
    pool.apply(PoolState("web", endpoints))
    pool.apply(PoolState("web", endpoints, policy="hash"))
    assert pool.policy == "hash"
    assert owners(pool) == owners(pool_of(1, 2, 3))
    pool.apply(PoolState("web", endpoints))
    assert pool.policy == "least-connections"
    assert len({pool.lease((), 0.0, b"one").backend for _ in range(3)}) == 3


def test_a_changed_weight_changes_the_table():
    pool = pool_of(1, 2)
    heavy = replace(endpoint(1), weight=9)
    pool.apply(PoolState("web", (heavy, endpoint(2))))
    assert list(owners(pool).values()).count(heavy.authority) > 0.8 * len(KEYS)


def test_the_next_request_is_foretold_without_a_change():
    pool = pool_of(1, 2, 3)
    for key in (*KEYS[:20], None):
        foretold = pool.upcoming(key)
        assert pool.lease((), 0.0, key).backend is foretold


def test_a_table_is_made_in_the_steps_that_the_owner_runs():
    waiting = []
    pool = web_pool(policy="hash")
    pool._picker._run = waiting.append
    pool.apply(PoolState("web", tuple(map(endpoint, (1, 2, 3)))))
    assert len({pool.lease((), 0.0, b"one").backend for _ in range(6)}) == 3  # Without a table yet.
    for _ in waiting[0]:
        pass
    assert owners(pool) == owners(pool_of(1, 2, 3))


def test_other_options_keep_the_table():
    waiting = []
    pool = pool_of(1, 2, 3)
    before = owners(pool)
    pool._picker._run = waiting.append
    pool.configure(PoolOptions(policy="hash", hash_balance_factor=0, slow_start=0.0), None)
    assert waiting == [None]
    assert owners(pool) == before
