"""A bound that is broken in one round is broken for the whole run."""

from dataclasses import replace

import orjson
import pytest

from bench.failure.process_faults import FaultResult
from bench.failure.processes import FAULTS, Result, main
from bench.lib.client_report import ClientReport
from bench.lib.verdict import Verdict
from bench.lib.wrk import Load
from tests.every import every

LOAD = Load(requests=1000, seconds=2.0, bad_status=0, broken=0, timed_out=0, p50=1.0, p99=4.0)
RELOADED = Result(FaultResult(reloads=6, upgrades=1), LOAD, ClientReport(closed_announced=140), lost=0)
WORKERS_KILLED = Result(
    FaultResult(kills=4, exposed=190, restarted=[0.2, 0.3]),
    replace(LOAD, broken=150),
    ClientReport(),
    lost=80,
)
CONTROL_KILLED = Result(
    FaultResult(kills=6, restarted=[0.3], arrived=[0.1, 0.2]), LOAD, ClientReport(), lost=0
)


def evaluated(what, *rounds):
    """The rows by name, and the names of the broken bounds."""
    verdict = Verdict()
    FAULTS[what][1](verdict, rounds)
    broken = [name for name, _, holds in verdict.rows if holds is False]
    return {name: figure for name, figure, _ in verdict.rows}, broken


def test_figures_are_medians_of_the_rounds_with_their_spread():
    longer = replace(WORKERS_KILLED.faults, exposed=200, restarted=[0.4, 0.7])
    rows, broken = evaluated(
        "kill-workers", WORKERS_KILLED, WORKERS_KILLED, replace(WORKERS_KILLED, faults=longer)
    )
    assert broken == []
    assert rows["workers killed"] == "4"
    assert rows["client connections of the killed workers"] == "190 ± 5"
    assert rows["requests lost (at most one per connection)"] == "150 (150 of wrk, 0 of the checking clients)"
    assert rows["kill → new worker serves (at most 1 s)"] == "median 0.25 ± 0.15 s, max 0.30 ± 0.20 s"


@every("bad", [0, 1, 2])
@every(
    ("what", "good", "changes", "name"),
    [
        ("reload", RELOADED, {"clients": ClientReport(reset=1)}, "clients: connection reset"),
        ("reload", RELOADED, {"faults": FaultResult(reloads=6)}, "upgrades"),
        ("reload", RELOADED, {"faults": FaultResult(upgrades=1)}, "reloads"),
        # All rounds together have lost fewer than they might have.
        (
            "kill-workers",
            WORKERS_KILLED,
            {"load": replace(LOAD, broken=191)},
            "requests lost (at most one per connection)",
        ),
        (
            "kill-workers",
            WORKERS_KILLED,
            {"lost": 191},
            "requests lost by the count of pylb (at most one per connection)",
        ),
        (
            "kill-control",
            CONTROL_KILLED,
            {"load": replace(LOAD, timed_out=1)},
            "wrk: no response within 10 s",
        ),
        (
            "kill-control",
            CONTROL_KILLED,
            {"faults": replace(CONTROL_KILLED.faults, arrived=[0.1, 2.1])},
            "then → first request to a new instance (at most 2 s)",
        ),
    ],
)
def test_a_bound_that_one_round_breaks_is_broken(what, good, changes, name, bad):
    rounds = [good] * 3
    assert evaluated(what, *rounds)[1] == []
    rounds[bad] = replace(good, **changes)
    assert evaluated(what, *rounds)[1] == [name]


@pytest.mark.slow
def test_each_round_is_reported_separately(tmp_path, capsys):
    report = tmp_path / "raw.json"
    words = ["--rounds", "2", "--seconds", "1", "--connections", "8", "--json", str(report)]
    assert main(["kill-control", *words]) == 0
    content = orjson.loads(report.read_bytes())
    assert content["settings"]["rounds"] == 2
    assert [each["faults"]["kills"] for each in content["results"]] == [1, 1]
    assert ["control processes killed", "1", None] in content["verdict"]
    assert "control processes killed" in capsys.readouterr().out
