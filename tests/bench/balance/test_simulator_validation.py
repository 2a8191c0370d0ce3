"""The simulator agrees with live runs of the same requests."""

from dataclasses import asdict

import pytest
from rich.console import Console

from bench.balance.simulator_validation import (
    DRAWS,
    HEADINGS,
    Comparison,
    Round,
    Run,
    Times,
    compare,
    run,
    show,
    simulated,
)
from pylb.tools.simulate.distribution import DISTRIBUTION
from pylb.tools.simulate.options import SimulateOptions
from pylb.tools.simulate.recording import Recording
from pylb.tools.simulate.workload import Workload

TOLERANCE = 0.25
"""400 requests are few. `python -m bench.balance.simulator_validation` sends many more and allows 10 %."""

ATTEMPTS = 3
OPTIONS = SimulateOptions(
    instances=4, rate=70, requests=400, service_time=DISTRIBUTION.parse("exponential:40ms")
)
OVERHEAD = 0.002


def workload(seed):
    return Workload(OPTIONS.rate, OPTIONS.service_time, OPTIONS.requests, seed, Recording((), ()))


def ideal(policy, seed, draw):
    """The live run of a pylb that behaves exactly as simulated, on a machine that adds 2 ms."""
    options = SimulateOptions(instances=4, policy=policy, overhead=OVERHEAD, seed=draw)
    return Run(policy, workload(seed), [OVERHEAD] * 100, simulated(options, workload(seed)))


@pytest.mark.slow
def test_simulated_latencies_equal_those_of_a_live_pylb():
    """The tolerance includes the delay of empty requests on a busy machine."""
    seen = []
    for _ in range(ATTEMPTS):
        found = compare(OPTIONS, "least-connections", run(OPTIONS, ["least-connections"], 1))
        noise = found.rounds[0].noise
        pairs = ((found.live.mean, found.simulated.mean), (found.live.p99, found.simulated.p99))
        if all(abs(live - simulated) < TOLERANCE * live + noise for live, simulated in pairs):
            return
        seen.append(found)
    pytest.fail(f"they are further apart than {TOLERANCE:.0%}: {seen}")


@pytest.mark.slow
def test_each_round_has_other_requests_and_all_policies_have_the_same():
    policies = ["round-robin", "random"]
    runs = run(SimulateOptions(instances=2, rate=100, requests=20, seed=5), policies, 2)
    assert [(each.policy, each.workload.seed) for each in runs] == [
        *(("round-robin", 5), ("round-robin", 6)),
        *(("random", 5), ("random", 6)),
    ]
    assert {len(each.latencies) for each in runs} == {len(each.empty) for each in runs} == {20}


def test_a_policy_without_random_numbers_is_simulated_exactly():
    found = compare(
        OPTIONS, "least-connections", [ideal("least-connections", seed, draw=7) for seed in (1, 2)]
    )
    assert found.off == (pytest.approx(0), pytest.approx(0))
    assert found.chance == 0
    first, second = found.rounds
    assert first.live.p99 == first.simulated.p99 != second.live.p99


@pytest.mark.slow
def test_the_difference_by_chance_shrinks_with_more_requests():
    one = compare(OPTIONS, "random", [ideal("random", 1, draw=7)])
    many = compare(OPTIONS, "random", [ideal("random", seed, draw=7) for seed in range(1, 17)])
    assert one.chance > 1.5 * many.chance > 0
    assert abs(many.off[1]) < 3 * many.chance


def test_requests_of_all_rounds_have_equal_weight():
    short, long = [0.01] * 990, [0.5] * 10
    rounds = [
        Run("round-robin", workload(1), [0.0], short),
        Run("round-robin", workload(2), [0.0], short + 3 * long),
    ]
    found = compare(OPTIONS, "round-robin", rounds)
    assert found.live == Times.of([*short, *short, *long, *long, *long])
    assert [each.live.p99 for each in found.rounds] == [0.01, 0.5]


def test_differences_are_relative_to_the_live_times():
    rounds = [
        Round(Times(0.09, 0.1), Times(0.1, 0.15), 0.001),
        Round(Times(0.11, 0.4), Times(0.12, 0.15), 0.003),
    ]
    found = Comparison("random", rounds, live=Times(0.1, 0.2), simulated=Times(0.11, 0.15), chance=0.034)
    assert found.off == (pytest.approx(0.1), pytest.approx(-0.25))
    times = ["100.0 ± 10.0", "110.0 ± 10.0", "+10.0%", "200.0 ± 150.0", "150.0", "-25.0%"]
    assert found.cells() == ["random", *times, "3.4%", "2.00 ± 1.00"]
    assert Comparison.read(asdict(found)) == found
    assert Times.of([1.0] * 98 + [5.0, 9.0]) == Times(1.12, 9.0)
    assert DRAWS > 1


def test_the_table_has_all_columns(capsys):
    show([compare(OPTIONS, "random", [ideal("random", 1, draw=7)])], Console(width=130))
    heading, _, row = [line.split() for line in capsys.readouterr().out.splitlines() if line.strip()]
    assert " ".join(heading) == " ".join(HEADINGS)
    assert row[0] == "random"
