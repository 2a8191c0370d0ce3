"""The parts of the page that are made from raw figures."""

from bench.lib.figure import Comparison, Figure
from bench.report.bounds import bounds
from bench.report.part import Part, folded, table
from bench.report.parts import change, failure, hotpath, memory, observe, processes, simulator_validation
from bench.report.regressions import regressions


def sample(workload, peer, number, cpu, **others):
    figures = {"rate": 1000.0, "p50": 1.0, "p99": 2.0, "rss": 10.0, "requests": 5000, "errors": 0}
    identity = {"workload": workload, "peer": peer, "round": number}
    return {**identity, "user": cpu / 4, "system": cpu * 3 / 4, **figures, **others}


HOTPATH = {
    "workloads": [{"name": "small", "about": "GET", "connections": 64}],
    "samples": [
        *(sample("small", "pylb", 1, 28), sample("small", "nginx", 1, 20)),
        *(sample("small", "pylb", 2, 32, errors=3), sample("small", "nginx", 2, 20)),
    ],
}


def test_requests():
    made = hotpath.part(HOTPATH)
    assert "| CPU µs per request | pylb | nginx |" in made.text
    assert "| GET, 64 connections | 30.0 ± 2.0, 3 errors | 20.0 |" in made.text
    costs = "30.0 ± 2.0 | 7.50 ± 0.50 | 22.5 ± 1.5 | 1.50 ± 0.10"
    assert f"| pylb | {costs} | 1,000 | 1.00 | 2.00 | 10.0 | 3 |" in made.text
    assert list(made.pictures) == ["cpu-small"]
    assert 'srcset="performance/cpu-small-dark.svg"' in made.text


def test_memory():
    footprints = {"pylb": [{"rest": 50 << 20, "connection": 2048.0, "download": 1 << 20, "upload": 0}] * 2}
    made = memory.part({"settings": {"connections": 2000, "MiB": 512}, "footprints": footprints})
    assert "| per idle connection (2,000 of them), KiB | 2.00 |" in made.text


def test_processes():
    made = processes.part({"verdict": [["requests", "12", None], ["lost", "0", True], ["late", "1", False]]})
    assert made.text.splitlines()[2:] == ["| requests | 12 |  |", "| lost | 0 | ✓ |", "| late | 1 | **✗** |"]


def test_observability():
    rounds = [*(sample("small", "defaults", number, 30) for number in (1, 2)), sample("small", "json", 1, 34)]
    made = observe.part({"samples": rounds, "variants": {"defaults": "metrics", "json": "access log"}})
    assert made.text.endswith("| metrics | 30.0 |  |\n| access log | 34.0 | 4.00 |")


def test_simulator_validation():
    times = {"live": {"mean": 0.050, "p99": 0.2}, "simulated": {"mean": 0.052, "p99": 0.19}}
    others = {"live": {"mean": 0.054, "p99": 0.3}, "simulated": {"mean": 0.052, "p99": 0.27}}
    rounds = [{**times, "noise": 0.001}, {**others, "noise": 0.002}]
    made = simulator_validation.part(
        {"comparisons": [{"policy": "random", "rounds": rounds, **times, "chance": 0.04}]}
    )
    figures = "50.0 ± 2.0 | 52.0 | +4.0% | 200.0 ± 50.0 | 190.0 ± 40.0 | -5.0% | 4.0% | 1.50 ± 0.50"
    assert made.text.endswith(f"| random | {figures} |")


def test_regressions_are_selected_from_the_figures():
    figures = {"pylb": Figure.of([29, 30, 31]), "nginx": Figure.of([20, 21]), "envoy": Figure.of([80])}
    made = regressions([Comparison("CPU, µs", figures), Comparison("memory", {"pylb": Figure.of([1])})])
    assert made.splitlines()[2:] == ["| CPU, µs | 30.0 ± 1.0 | nginx 20.5 ± 0.5 |"]
    assert regressions([]) == "None in these figures."


def test_bounds_are_kept_or_broken():
    made = bounds({"requests": HOTPATH}).splitlines()[2:]
    assert made == ["| CPU of a small request, at most 1.5 × nginx | 1.50 ± 0.10 × | ✓ |"]
    large = [sample("16m", "pylb", 1, 90), sample("16m", "nginx", 1, 80), sample("16m", "envoy", 1, 70)]
    made = bounds({"requests": {"samples": large}}).splitlines()[2:]
    assert made == ["| CPU of a 16 MiB response: rank 1 or 2 of all | rank 3 | **✗** |"]
    assert bounds({}).splitlines()[2:] == []


def test_blocks_of_markdown():
    made = Part()
    made.add(table(["", "CPU"], [["pylb", 7]]), folded("More", "text"))
    assert made.text == (
        "|  | CPU |\n| --- | --: |\n| pylb | 7 |\n\n<details>\n<summary>More</summary>\n\ntext\n\n</details>"
    )


def changing(first, failed=0, lost=0):
    load = {
        "requests": 1000,
        "seconds": 2.0,
        "bad_status": 0,
        "broken": failed,
        "timed_out": 0,
        "p50": 1,
        "p99": 4.0,
    }
    times = [first / 1e3, first / 1e3, first * 3 / 1e3]
    return {
        "version": "1",
        "changes": {"count": 10, "appeared": times, "vanished": [], "lost": lost, "closed": 0},
        "before": load,
        "load": load,
        "cost": {"seconds": 2.0, "idle": 0.01, "changing": 0.03 + failed / 1e3, "count": 10},
        "propagation": {"applied to the backend pool": {"0.001": 5, "0.0025": 0, "+Inf": 1}},
    }


CHANGE = {
    "settings": {"rate": 20, "instances": 300},
    "results": {
        # Its last round was the slowest of all.
        "pylb": [changing(2), changing(3, lost=1), changing(90)],
        "nginx": [changing(60, failed=5), changing(60, failed=10)],
    },
}


def test_changes():
    made = change.part(CHANGE)
    times = "3.00 ± 44.00 | 8.88 ± 130.24 | 9.00 ± 132.00 |  |  |  | 1 of 30"
    assert f"| pylb | {times} | 0.00 | 0.00 | 4.00 | 4.00 | 2.00 |" in made.text
    assert "|  |  |  | 0 of 20 | 0.75 ± 0.25 | 0.00 | 4.00 | 4.00 | 2.75 ± 0.25 |" in made.text
    assert "| applied to the backend pool | 15 | 3 |" in made.text
    assert "≤ 1 ms | more |" in made.text
    assert list(made.pictures) == ["change-20-300"]
    figures = {each.what: each.figures for each in made.comparisons}
    about = "changes at 20/s, 300 instances"
    assert str(figures[f"{about}: changes that never reached the traffic"]["pylb"]) == "0 ± 1"
    assert figures[f"{about}: deregistration to last request, ms"] == {}


def test_one_bad_round_does_not_decide_the_rank():
    assert bounds({"busy_change": CHANGE}).splitlines()[2:] == [
        "| changes at 20/s, 300 instances: rank 1 in the time to the traffic | rank 1 | ✓ |",
        "| changes at 20/s, 300 instances: rank 1 in failed requests and closed connections | rank 1 | ✓ |",
    ]


def failing(recovered, late=3):
    counts = {"bad_status": 1, "broken": 2, "timed_out": late, "slow": 4, "closed": 5}
    return {"version": "1", **counts, "rate": 1234.5, "recovered": recovered, "troubles": {}}


def test_failures():
    outcomes = {
        "pylb": [failing(None), failing(None, late=5), failing(8.5)],
        "nginx": [failing(0.25), failing(0.5), failing(0.25)],
    }
    made = failure.part({"results": {"killed": outcomes}})
    assert "| pylb | 6 ± 1 | 1 | 2 | 3 ± 1 | 4 | 8.50, never in 2 of 3 | 5 | 1,234 |" in made.text
    assert "| nginx | 6 | 1 | 2 | 3 | 4 | 0.25 ± 0.12 | 5 | 1,234 |" in made.text
    worst = regressions(made.comparisons).splitlines()[2:]
    assert worst == ["| one of three backends killed: no recovery, times per round | 1 ± 1 | nginx 0 |"]
