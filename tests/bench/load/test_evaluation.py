"""The evaluation of a load test: one broken bound breaks the verdict."""

from dataclasses import replace

from bench.load.evaluation import Outcome, evaluate
from bench.load.hits import InstanceHits
from bench.load.journal import Lifetime
from tests.every import every

ALL_WELL = Outcome(
    requests=2830,
    failures=0,
    errors=0,
    seen={
        "permanent-1": InstanceHits(1500, 100, 160),
        "permanent-2": InstanceHits(1300, 100, 160),
        "temporary": InstanceHits(30, 110.2, 120.1),
    },
    lifetimes=[
        Lifetime("permanent-1", 99, 161, permanent=True),
        Lifetime("permanent-2", 99, 161, permanent=True),
        Lifetime("temporary", 110, 120),
        Lifetime("too late to be noticed", 159, 161),
    ],
    ended=160,
    before=frozenset({"pid 1"}),
    after=frozenset({"pid 1"}),
)


def rows(outcome):
    return {name.partition(" (")[0]: (figure, holds) for name, figure, holds in evaluate(outcome).rows}


def test_a_run_within_all_bounds_holds():
    verdict = evaluate(ALL_WELL)
    assert verdict.holds
    found = rows(ALL_WELL)
    assert found["changes"] == ("2 registrations, 1 deregistrations", True)
    assert found["registration → first response"][0] == "median 0.20 s, max 0.20 s"
    assert found["deregistration → last response"][0] == "median 0.10 s, max 0.10 s"


@every(
    "difference",
    [
        {"requests": 0},
        {"failures": 1},
        {"errors": 1},
        {"seen": {**ALL_WELL.seen, "permanent-1": InstanceHits(2500, 100, 160)}},
        {"seen": {name: each for name, each in ALL_WELL.seen.items() if name != "permanent-1"}},
        {"seen": {name: each for name, each in ALL_WELL.seen.items() if name != "temporary"}},
        {"lifetimes": [lifetime for lifetime in ALL_WELL.lifetimes if lifetime.permanent]},
        {"trouble": "ended early with exit code 1"},
        {"after": frozenset({"pid 2"})},
        {"after": frozenset({"pid 1", "pid 2"})},
    ],
    ids="".join,
)
def test_each_broken_bound_breaks_it(difference):
    assert not evaluate(replace(ALL_WELL, **difference)).holds


def test_a_replaced_process_is_named():
    outcome = replace(ALL_WELL, after=frozenset({"pid 2"}))
    assert rows(outcome)["the balancer's processes: same pids, same start times"][0] == (
        "not the same: pid 1; pid 2"
    )


def test_without_own_instances_all_that_respond_must_have_equal_shares():
    seen = {"theirs-1": InstanceHits(1000, 0, 1), "theirs-2": InstanceHits(1100, 0, 1)}
    assert evaluate(replace(ALL_WELL, lifetimes=[], seen=seen)).holds
    seen["theirs-3"] = InstanceHits(2000, 0, 1)
    assert not evaluate(replace(ALL_WELL, lifetimes=[], seen=seen)).holds


def test_shares_of_few_requests_may_be_uneven_but_not_zero():
    few = {
        **ALL_WELL.seen,
        "permanent-1": InstanceHits(150, 100, 160),
        "permanent-2": InstanceHits(90, 100, 160),
    }
    assert evaluate(replace(ALL_WELL, seen=few)).holds
    del few["permanent-2"]
    assert not evaluate(replace(ALL_WELL, seen=few)).holds


def test_a_figure_that_is_unknown_has_no_bound():
    found = rows(replace(ALL_WELL, lifetimes=[], seen={}, before=frozenset(), after=frozenset()))
    assert found["requests per instance"] == ("unknown: no response had X-Served-By", None)
    assert found["the balancer's processes"] == ("not watched", None)
