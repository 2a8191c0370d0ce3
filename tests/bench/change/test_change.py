"""The speed of changes: a real registry and real proxies, in short runs."""

from dataclasses import asdict, replace

import orjson
import pytest
from rich.console import Console

from bench.change.__main__ import main
from bench.change.environment import Settings
from bench.change.measure import Changes, Cost, Result
from bench.change.pace import at_rate, one_by_one
from bench.change.summary import Summary
from bench.change.tables import show
from bench.lib.wrk import Load


def settings(**given):
    defaults = {"rounds": 1, "instances": 3, "connections": 2, "changes": 3, "rate": None, "seconds": 0.0}
    return Settings(**{**defaults, "before": 0.1, "lifetime": 0.1, "stops": False, "notice": 0.01, **given})


class ChurnCycle:
    """A churn cycle whose instance receives a request, and then no more, immediately."""

    def __init__(self, name, log):
        self.name, self.log = name, log
        self.has_requests = self.is_drained = True

    def register(self):
        self.log.append(f"{self.name} registers")

    def deregister(self):
        self.log.append(f"{self.name} deregisters")

    def end(self):
        self.log.append(f"{self.name} ends")


def test_one_by_one_a_cycle_starts_after_the_previous_one_has_ended():
    log = []
    one_by_one([ChurnCycle("a", log), ChurnCycle("b", log)], settings(stops=True), 1, lambda: None)
    assert log == [f"{name} {does}" for name in "ab" for does in ("registers", "deregisters", "ends")]


def test_at_a_rate_registrations_and_deregistrations_alternate():
    log, looks = [], []
    cycles = [ChurnCycle(name, log) for name in "abcd"]
    at_rate(cycles, settings(rate=50, lifetime=0.08, stops=True), lambda: looks.append(None))
    changes = [each for each in log if not each.endswith("ends")]
    assert changes[:5] == ["a registers", "b registers", "c registers", "a deregisters", "d registers"]
    assert log[-1] == "d ends"
    assert len(looks) == len(log) == 12


def test_the_rate_counts_changes_not_instances():
    assert settings(rate=20, seconds=30.0).cycles == 300
    assert settings(changes=7).cycles == 7


class Past:
    """A churn cycle that has ended."""

    def __init__(self, appeared, vanished):
        self.appeared, self.vanished = appeared, vanished
        self.has_requests = appeared is not None


def test_a_change_that_never_reached_the_traffic_is_lost_and_not_part_of_the_median():
    changes = Changes.of([Past(0.5, 0.1), Past(None, None), Past(0.3, None)], closed=4)
    assert changes == Changes(count=6, appeared=[0.5, 0.3], vanished=[0.1], lost=2, closed=4)


def test_the_cpu_of_a_change_is_the_difference_to_an_idle_proxy(capsys):
    load = Load(requests=100, seconds=2.0, bad_status=5, broken=1, timed_out=0, p50=1.0, p99=2.0)
    changes = Changes(count=4, appeared=[0.1, 0.3], vanished=[0.2, 0.4], lost=1, closed=2)
    cost = Cost(seconds=2.0, idle=0.01, changing=0.05, count=4)
    assert cost.each == pytest.approx(0.01)
    show({"pylb": [Result("1", changes, load, load, cost, {})]}, Console(width=160))
    times, costs = (line.split()[2:] for line in capsys.readouterr().out.splitlines() if "pylb" in line)
    assert " ".join(times) == "200.0 298.0 300.0 300.0 398.0 400.0 1 of 4"
    assert " ".join(costs) == "1.50 0.50 50.0 2.00 2.00 5.00 10.0"


def a_round(*appeared, lost=0, failed=0, p99=2.0, hits=1):
    load = Load(requests=100, seconds=2.0, bad_status=failed, broken=0, timed_out=0, p50=1.0, p99=p99)
    changes = Changes(count=4, appeared=list(appeared), vanished=[], lost=lost, closed=0)
    return Result("1", changes, load, load, None, {"first request": {"0.001": hits, "+Inf": 0}})


def test_every_figure_is_the_median_of_the_rounds_and_has_their_spread():
    rounds = [a_round(0.1, 0.3), a_round(0.2, 0.6, failed=8, p99=3.0), a_round(0.3, 0.3, p99=9.0)]
    summary = Summary.of(rounds)
    assert list(map(str, summary.first)) == ["300.0 ± 100.0", "300.0 ± 149.0", "300.0 ± 150.0"]
    assert list(map(str, (summary.failed, summary.p99))) == ["0.00 ± 1.00", "3.00 ± 3.50"]
    assert (summary.last, summary.cost, summary.idle) == (None, None, None)


def test_counts_of_all_rounds_add_up():
    summary = Summary.of([a_round(lost=3, hits=4), a_round(lost=1, hits=0), a_round()])
    assert (summary.never, str(summary.lost)) == ("4 of 12", "1 ± 2")
    assert summary.propagation == {"first request": {"0.001": 5, "+Inf": 0}}


def test_a_round_with_too_few_times_is_not_part_of_the_summary():
    assert str(Summary.of([a_round(0.9), a_round(0.1, 0.1)]).first.median) == "100.0"


def test_a_stored_round_can_be_read_again():
    result = a_round(0.1, 0.2)
    assert Result.read(asdict(result)) == result
    result = replace(result, cost=Cost(seconds=2.0, idle=0.01, changing=0.05, count=4))
    assert Result.read({**asdict(result), "cpu_per_change": 0.01}) == result


@pytest.mark.slow
def test_changes_at_a_rate_are_measured_for_each_proxy(tmp_path):
    out = tmp_path / "change.json"
    argv = ["--peers", "pylb,nginx", "--rate", "10", "--seconds", "1", "--lifetime", "0.5", "--gone", "stop"]
    assert main([*argv, "--connections", "8", "--before", "0.5", "--json", str(out)]) == 0
    content = orjson.loads(out.read_bytes())
    assert set(content["versions"]) == set(content["results"]) == {"pylb", "nginx"}
    (pylb,) = content["results"]["pylb"]
    assert pylb["changes"]["count"] == 10
    assert len(pylb["changes"]["appeared"]) == 5
    assert (pylb["changes"]["lost"], pylb["load"]["bad_status"], pylb["load"]["broken"]) == (0, 0, 0)
    assert content["results"]["nginx"][0]["cpu_per_change"] > 0


def test_a_bad_option_is_named(capsys):
    with pytest.raises(SystemExit):
        main(["--rate", "0"])
    assert "got '0', expected a whole number of at least 1" in capsys.readouterr().err
