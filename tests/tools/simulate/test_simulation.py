"""The simulation against what queueing theory knows, and against what pools promise."""

from dataclasses import replace

import pytest

from pylb.tools.simulate.command import simulate
from pylb.tools.simulate.distribution import DISTRIBUTION
from pylb.tools.simulate.options import SimulateOptions
from pylb.tools.simulate.recording import Recording
from pylb.tools.simulate.workload import Workload

pytestmark = pytest.mark.slow

SMALL = SimulateOptions(requests=20_000)


def outcome(options):
    simulation = simulate(options)
    work = (options.rate, options.service_time, options.requests, options.seed)
    simulation.feed(Workload(*work, Recording((), ())))
    return simulation.finish()


@pytest.mark.parametrize(("rate", "mean"), [(50, 0.020), (80, 0.050)])
def test_one_instance_matches_queueing_theory(rate, mean):
    """M/M/1: the mean is 1 / (μ - λ), the times are exponential."""
    latencies = outcome(replace(SMALL, instances=1, rate=rate, requests=60_000)).latencies
    assert latencies.mean == pytest.approx(mean, rel=0.08)
    assert latencies.percentile(99) == pytest.approx(mean * 4.605, rel=0.12)


def test_several_slots_are_one_queue():
    """M/M/2 at a load of one half: the mean is 1 / (μ (1 - ρ²))."""
    options = replace(SMALL, instances=1, concurrency=2, rate=100, requests=60_000)
    assert outcome(options).latencies.mean == pytest.approx(0.01 / 0.75, rel=0.05)


def test_the_same_seed_gives_the_same_figures():
    assert outcome(SMALL).figures() == outcome(SMALL).figures()
    assert outcome(SMALL).figures() != outcome(replace(SMALL, seed=2)).figures()


def test_policies_differ_as_expected():
    p99 = {
        policy: outcome(replace(SMALL, policy=policy)).latencies.percentile(99)
        for policy in ("least-connections", "random-two", "random")
    }
    assert p99["least-connections"] < p99["random-two"] < p99["random"] / 1.5


def test_workers_with_shared_counts_balance_like_one():
    one = outcome(SMALL).latencies.mean
    assert outcome(replace(SMALL, workers=4)).latencies.mean == pytest.approx(one, rel=0.03)
    assert outcome(replace(SMALL, balancers=4)).latencies.mean > 1.2 * one


def test_a_slow_instance_receives_fewer_requests():
    fast, slow = (outcome(replace(SMALL, slow=(count, 4.0))) for count in (1, 10))
    assert fast.latencies.mean < slow.latencies.mean / 3
    assert fast.busiest > slow.busiest


def test_a_dead_instance_causes_retries_but_no_failures():
    died = outcome(replace(SMALL, dead=(2, 5.0, 10.0)))
    assert not died.failed
    assert 2 <= died.retries < 100
    unprotected = outcome(replace(SMALL, dead=(2, 5.0, 10.0), retries=0, suspect_time=0.0, eject_failures=0))
    assert unprotected.failed["SC"] > 1000


def test_limits_are_kept_and_the_queue_is_bounded():
    busy = replace(SMALL, rate=1500, max_conn=1, max_queue=50)
    overrun = outcome(busy)
    assert overrun.fullest == 1
    assert set(overrun.failed) == {"RQ"}
    impatient = outcome(replace(busy, queue_timeout=0.02, max_queue=1000))
    assert set(impatient.failed) == {"sQ"}
    assert impatient.latencies.longest < 0.02 + 0.15


def test_a_balancer_uses_only_its_subset():
    few = outcome(replace(SMALL, subset=3, rate=100))
    assert few.busiest == pytest.approx(10 / 3, rel=0.05)
    spread = outcome(replace(SMALL, subset=3, balancers=20, rate=100))
    assert spread.busiest < 2.5


def test_the_overhead_is_added_to_each_request():
    options = replace(SMALL, requests=500, service_time=DISTRIBUTION.parse("constant:1ms"))
    plain, more = outcome(options).latencies, outcome(replace(options, overhead=0.5)).latencies
    assert more.mean - plain.mean == pytest.approx(0.5)
