from dataclasses import replace

from pylb.errors import Fault, Phase, ProxyError
from pylb.model import Excluded, PoolState
from pylb.policy.explain import LEFT, excluded, explain, why_not
from pylb.policy.pool_rows import row_of
from tests.policy.backends import endpoint, web_pool

UNREACHABLE = ProxyError(Phase.CONNECT, Fault.UPSTREAM, "refused")


def reasons(pool, now=0.0):
    return {e.id: reason for e, reason in excluded(row_of(pool), now)}


def test_every_instance_is_a_candidate_or_excluded_for_a_reason():
    pool = web_pool(policy="round-robin", clock=lambda: 100.0)
    one, two, three, four, five, six = (endpoint(n) for n in range(1, 7))
    pool.apply(PoolState("web", (one, two, three, four, five)))
    retained = [pool.lease() for _ in range(5)]
    for lease in retained:
        lease.__enter__()
    (failed,) = [lease for lease in retained if lease.backend.endpoint == one]
    failed.error = UNREACHABLE
    failed.__exit__(None, None, None)
    pool.apply(
        PoolState(
            "web",
            (one, two, replace(three, weight=0)),
            (Excluded(four, "critical"), Excluded(six, "maintenance")),
            generation=3,
        )
    )
    result = explain(row_of(pool), 100.0)
    assert [c["id"] for c in result["candidates"]] == [two.id]
    assert result["generation"] == 3
    assert {e["id"]: e["reason"] for e in result["excluded"]} == reasons(pool, 100.0)
    assert reasons(pool, 100.0) == {
        one.id: "consecutive failures: 1; suspect for 1 s more",
        three.id: "weight 0",
        four.id: "critical",
        five.id: LEFT,
        six.id: "maintenance",
    }


def test_before_the_first_snapshot_there_are_no_candidates():
    assert explain(row_of(web_pool()), 0.0)["candidates"] == []
    assert explain(row_of(web_pool()), 0.0)["excluded"] == []


def test_a_new_backend_has_a_reduced_weight():
    pool = web_pool()
    pool.apply(PoolState("web", (endpoint(1),)))
    (backend,) = pool.eligible
    assert why_not(row_of(pool).backends[0], 0.0) == ""
    backend.ramp(0.3)
    assert why_not(row_of(pool).backends[0], 0.0) == "slow start: 30% of its weight"
