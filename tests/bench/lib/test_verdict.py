from bench.lib.figure import Count
from bench.lib.verdict import Verdict


def test_a_verdict_holds_if_every_bound_is_kept():
    verdict = Verdict()
    verdict.note("requests", "12")
    verdict.require("lost (at most 3)", "2", holds=True)
    verdict.require_zero({"reset": 0, "refused": 0})
    verdict.times("back", [0.2, 0.4], most=0.5)
    assert verdict.holds
    assert verdict.rows[-1] == ("back (at most 0.5 s)", "median 0.30 s, max 0.40 s", True)


def test_each_broken_bound_breaks_it():
    for break_one in (
        lambda verdict: verdict.require("lost", "4", holds=False),
        lambda verdict: verdict.require_zero({"reset": 0, "refused": 1}),
        lambda verdict: verdict.times("back", [0.2, 0.6], most=0.5),
        lambda verdict: verdict.times("back", [], most=0.5),
        lambda verdict: verdict.times("back", [0.2], [0.6], [0.2], most=0.5),
        lambda verdict: verdict.times("back", [0.2], [], most=0.5),
    ):
        verdict = Verdict()
        break_one(verdict)
        assert not verdict.holds


def test_times_of_several_rounds_are_figures():
    verdict = Verdict()
    verdict.times("back", [0.1, 0.2, 0.4], [0.3, 0.5], [])
    verdict.times("gone", [], [])
    verdict.note("killed", Count.of([3, 4, 6]))
    assert [figure for _, figure, _ in verdict.rows] == [
        "median 0.30 ± 0.10 s, max 0.45 ± 0.05 s, never in 1 of 3",
        "never",
        "4 ± 2",
    ]
