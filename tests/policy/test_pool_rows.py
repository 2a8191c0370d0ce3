from pylb.model import PoolState
from pylb.policy.backend import State
from pylb.policy.pool_rows import PoolRows
from tests.policy.backends import endpoint, web_pool

ONE, TWO = endpoint(1), endpoint(2, weight=3)


def test_a_row_has_the_figures_of_each_backend():
    pool = web_pool()
    pool.apply(PoolState("web", (ONE, TWO), generation=4))
    first, second = pool.backends.values()
    first.count(+2)
    second.count(+3)
    second.state, second.health.failures, second.health.until = State.EJECTED, 4, 12.5
    second.health.unreachable = True
    second.idle.append(None)
    second.ramp(0.5)
    pool.rebuild()
    row = PoolRows({"web": pool}).row("web")
    assert (row.service, row.policy, row.applied) == ("web", pool.policy, pool.applied)
    assert [each.name for each in row.eligible] == [first.name]
    assert row.eligible[0] is row.backends[0]
    shown = row.backends[1]
    assert (shown.state, shown.failures, shown.until, shown.unreachable) == (State.EJECTED, 4, 12.5, True)
    assert (shown.weight, shown.ramp_fraction, shown.in_flight, shown.load) == (1.5, 0.5, 3, 2)
    assert shown.idle == 1


def test_a_row_is_a_copy():
    pool = web_pool()
    pool.apply(PoolState("web", (ONE, TWO)))
    rows = PoolRows({"web": pool})
    before = rows.row("web")
    with pool.lease() as lease:
        pool.apply(PoolState("web", tuple(e for e in (ONE, TWO) if e.key != lease.backend.key)))
        assert [each.name for each in rows.row("web").draining] == [lease.backend.name]
    assert (len(before.backends), before.draining) == (2, ())
    assert [each.in_flight for each in before.backends] == [0, 0]


def test_the_upcoming_backend_is_the_one_that_the_pool_leases():
    pool = web_pool(policy="round-robin")
    rows = PoolRows({"web": pool})
    assert (list(rows.services), rows.applied("web"), rows.upcoming("web")) == (["web"], None, None)
    pool.apply(PoolState("web", (ONE, TWO)))
    for _ in range(8):
        upcoming = rows.upcoming("web")
        with pool.lease() as lease:
            assert lease.backend.name == upcoming
