"""What disturbed rounds show together: a bound that one of them breaks is broken."""

from dataclasses import replace

import orjson
import pytest

from bench.checked import Checked
from bench.disturbances import Disturbed
from bench.processes import DISTURBANCES, Result, main
from bench.verdict import Verdict
from bench.wrk import Load

LOAD = Load(requests=1000, seconds=2.0, refused=0, broken=0, late=0, p50=1.0, p99=4.0)
RELOADED = Result(Disturbed(reloads=6, upgrades=1), LOAD, Checked(announced=140), lost=0)
WORKERS_KILLED = Result(
    Disturbed(kills=4, exposed=190, back=[0.2, 0.3]), replace(LOAD, broken=150), Checked(), lost=80
)
CONTROL_KILLED = Result(Disturbed(kills=6, back=[0.3], arrived=[0.1, 0.2]), LOAD, Checked(), lost=0)


def judged(what, *rounds):
    """The rows that say something, and those that are broken."""
    verdict = Verdict()
    DISTURBANCES[what][1](verdict, rounds)
    broken = [name for name, _, holds in verdict.rows if holds is False]
    return {name: figure for name, figure, _ in verdict.rows}, broken


def test_figures_are_medians_of_the_rounds_with_their_spread():
    longer = replace(WORKERS_KILLED.disturbed, exposed=200, back=[0.4, 0.7])
    rows, broken = judged(
        "kill-workers", WORKERS_KILLED, WORKERS_KILLED, replace(WORKERS_KILLED, disturbed=longer)
    )
    assert broken == []
    assert rows["workers killed"] == "4"
    assert rows["connections that they had then"] == "190 ± 5"
    assert rows["requests lost (at most those)"] == "150 (150 of wrk's, 0 of those checked)"
    assert rows["kill → another worker serves (at most 1 s)"] == "median 0.25 ± 0.15 s, max 0.30 ± 0.20 s"


@pytest.mark.parametrize("bad", [0, 1, 2])
@pytest.mark.parametrize(
    ("what", "good", "changes", "name"),
    [
        ("reload", RELOADED, {"checked": Checked(reset=1)}, "checked: reset"),
        ("reload", RELOADED, {"disturbed": Disturbed(reloads=6)}, "upgrades"),
        ("reload", RELOADED, {"disturbed": Disturbed(upgrades=1)}, "reloads"),
        # All rounds together have lost fewer than they might have.
        (
            "kill-workers",
            WORKERS_KILLED,
            {"load": replace(LOAD, broken=191)},
            "requests lost (at most those)",
        ),
        ("kill-workers", WORKERS_KILLED, {"lost": 191}, "pylb's own count (at most those)"),
        ("kill-control", CONTROL_KILLED, {"load": replace(LOAD, late=1)}, "wrk: late by more than 10 s"),
        (
            "kill-control",
            CONTROL_KILLED,
            {"disturbed": replace(CONTROL_KILLED.disturbed, arrived=[0.1, 2.1])},
            "then → a change is in the traffic (at most 2 s)",
        ),
    ],
)
def test_what_one_round_breaks_is_broken(what, good, changes, name, bad):
    rounds = [good] * 3
    assert judged(what, *rounds)[1] == []
    rounds[bad] = replace(good, **changes)
    assert judged(what, *rounds)[1] == [name]


@pytest.mark.slow
def test_each_round_is_a_run_of_its_own(tmp_path, capsys):
    report = tmp_path / "raw.json"
    words = ["--rounds", "2", "--seconds", "1", "--connections", "8", "--json", str(report)]
    assert main(["kill-control", *words]) == 0
    content = orjson.loads(report.read_bytes())
    assert content["settings"]["rounds"] == 2
    assert [each["disturbed"]["kills"] for each in content["results"]] == [1, 1]
    assert ["controls killed", "1", None] in content["verdict"]
    assert "controls killed" in capsys.readouterr().out
