"""What came of simulations, for people."""

from rich.console import Console

from pylb.tools.simulate.distribution import DISTRIBUTION
from pylb.tools.simulate.options import SimulateOptions
from pylb.tools.simulate.outcome import Outcome
from pylb.tools.simulate.recording import Recording
from pylb.tools.simulate.table import conditions, table
from pylb.tools.simulate.workload import Workload


def test_conditions_include_the_utilization():
    options = SimulateOptions(instances=100, concurrency=2, rate=3000, subset=10, seed=5)
    work = Workload(3000, DISTRIBUTION.parse("constant:50ms"), 1000, 5, Recording((), ()))
    text = conditions(options, work)
    assert "1 balancer with 1 worker, 100 instances with 2 at a time, each balancer uses 10;" in text
    assert "75% of the instances' capacity. Seed 5." in text


def test_times_are_in_milliseconds_and_failures_are_summed():
    outcome = Outcome("random", retries=4, busiest=1.5, fullest=7, opened=12_345, kept=9)
    outcome.latencies.add(0.25)
    outcome.failed.update(SC=1, RQ=2)
    console = Console(width=120)
    with console.capture() as captured:
        console.print(table([outcome]))
    row = captured.get().splitlines()[1].split()
    assert row[0] == "random"
    assert row[1] == "250.0"
    assert row[5:] == ["250.0", "3", "4", "1.50×", "7", "12,345", "9"]
