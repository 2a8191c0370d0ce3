"""What raw figures become on the page."""

from bench.figure import Comparison, Figure
from bench.page.bounds import bounds
from bench.page.part import Part, folded, table
from bench.page.parts import agreement, change, failure, hotpath, memory, observe, processes
from bench.page.worse import worse


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
    assert "| each of 2,000 idle connections, KiB | 2.00 |" in made.text


def test_processes():
    made = processes.part({"verdict": [["requests", "12", None], ["lost", "0", True], ["late", "1", False]]})
    assert made.text.splitlines()[2:] == ["| requests | 12 |  |", "| lost | 0 | ✓ |", "| late | 1 | **✗** |"]


def test_observing():
    rounds = [*(sample("small", "defaults", number, 30) for number in (1, 2)), sample("small", "json", 1, 34)]
    made = observe.part({"samples": rounds, "variants": {"defaults": "metrics", "json": "access log"}})
    assert made.text.endswith("| metrics | 30.0 |  |\n| access log | 34.0 | 4.00 |")


def test_agreement():
    times = {"live": {"mean": 0.050, "p99": 0.2}, "simulated": {"mean": 0.052, "p99": 0.19}}
    made = agreement.part({"comparisons": [{"policy": "random", "noise": 0.001, **times}]})
    assert made.text.endswith("| random | 50.0 | 52.0 | +4.0% | 200.0 | 190.0 | -5.0% | 1.0 |")


def test_where_pylb_is_worse_is_read_from_the_figures():
    figures = {"pylb": Figure.of([29, 30, 31]), "nginx": Figure.of([20, 21]), "envoy": Figure.of([80])}
    made = worse([Comparison("CPU, µs", figures), Comparison("memory", {"pylb": Figure.of([1])})])
    assert made.splitlines()[2:] == ["| CPU, µs | 30.0 ± 1.0 | nginx 20.5 ± 0.5 |"]
    assert worse([]) == "Nowhere, in these figures."


def test_bounds_are_kept_or_broken():
    made = bounds({"requests": HOTPATH}).splitlines()[2:]
    assert made == ["| CPU of a small request, at most 1.5 × that of nginx | 1.50 ± 0.10 × | ✓ |"]
    large = [sample("16m", "pylb", 1, 90), sample("16m", "nginx", 1, 80), sample("16m", "envoy", 1, 70)]
    made = bounds({"requests": {"samples": large}}).splitlines()[2:]
    assert made == ["| CPU of 16 MiB, first or second of all | place 3 | **✗** |"]
    assert bounds({}).splitlines()[2:] == []


def test_blocks_of_markdown():
    made = Part()
    made.add(table(["", "CPU"], [["pylb", 7]]), folded("More", "text"))
    assert made.text == (
        "|  | CPU |\n| --- | --: |\n| pylb | 7 |\n\n<details>\n<summary>More</summary>\n\ntext\n\n</details>"
    )


def changing(first, failed):
    load = {"refused": 0, "broken": failed, "late": 0, "p99": 4.0}
    times = {"appeared": [first / 1e3, first / 1e3, first * 3 / 1e3], "vanished": [], "lost": 0, "closed": 0}
    propagation = {"the pool goes by it": {"0.001": 5, "0.0025": 0, "+Inf": 1}}
    return {
        "changes": {"count": 10, **times},
        "load": load,
        "before": load,
        "cpu_per_change": 0.002,
        "propagation": propagation,
    }


CHANGE = {
    "settings": {"rate": 20, "instances": 300},
    "results": {"pylb": changing(2, 0), "nginx": changing(60, 5)},
}


def test_changes():
    made = change.part(CHANGE)
    nothing = "|  |  |  | 0 of 10 "
    assert f"| pylb | 2.00 ± 1.00 | 5.92 | 6.00 {nothing}| 0.00 | 0.00 | 4.00 | 4.00 | 2.00 |" in made.text
    assert "| the pool goes by it | 5 | 1 |" in made.text
    assert "≤ 1 ms | more |" in made.text
    assert list(made.pictures) == ["change-20-300"]
    assert bounds({"busy_change": CHANGE}).splitlines()[2:] == [
        "| changes at 20/s, 300 instances: first in the time to the traffic | place 1 | ✓ |",
        "| changes at 20/s, 300 instances: first in failed requests and closed connections | place 1 | ✓ |",
    ]


def test_failures():
    outcome = {"refusals": 1, "broken": 2, "late": 3, "slow": 4, "closed": 5, "rate": 1234.5}
    outcomes = {"pylb": {**outcome, "recovered": None}, "nginx": {**outcome, "recovered": 0.25}}
    made = failure.part({"results": {"killed": outcomes}})
    assert "| pylb | 6 | 1 | 2 | 3 | 4 | never | 5 | 1,234 |" in made.text
    assert "| nginx | 6 | 1 | 2 | 3 | 4 | 0.25 | 5 | 1,234 |" in made.text
