"""`pylb simulate` as users type it."""

import orjson
import pytest

from pylb.cli import main

pytestmark = pytest.mark.slow

QUICK = ("simulate", "--requests", "2000")


def test_the_table_has_a_row_for_each_policy(capsys):
    assert main([*QUICK, "--compare", "random,round-robin", "--instances", "20", "--balancers", "2"]) == 0
    out = capsys.readouterr().out
    assert "2 balancers with 1 worker, 20 instances with 1 at a time; 2,000 requests, 700/s" in out
    rows = [line.split() for line in out.splitlines() if line.startswith(("policy", "r"))]
    assert [row[0] for row in rows] == ["policy", "round-robin", "random"]
    assert rows[1][1:4] != rows[2][1:4]
    assert all(len(row) == len(rows[0]) for row in rows)


def test_figures_and_plot_are_written_to_the_given_files(tmp_path):
    figures, picture = tmp_path / "figures.json", tmp_path / "latency.svg"
    assert main([*QUICK, "--json", str(figures), "--plot", str(picture)]) == 0
    (row,) = orjson.loads(figures.read_bytes())
    assert row["answered"] == 2000
    assert row["p50"] < row["p99"] < row["max"]
    assert picture.read_text().startswith("<?xml")


def test_a_recorded_log_is_simulated(tmp_path, capsys):
    log = tmp_path / "access.json"
    line = '{"time": "2026-11-22T10:00:%02dZ", "duration_ms": 5, "attempts": [{"head_ms": 4}]}\n'
    log.write_text("".join(line % second for second in range(30)))
    assert main(["simulate", "--log", str(log), "--rate", "log", "--service-time", "log"]) == 0
    assert "30 requests, 1/s, log" in capsys.readouterr().out


@pytest.mark.parametrize("option", ["--json", "--plot"])
def test_a_file_that_cannot_be_written_is_named(option, capsys):
    assert main([*QUICK, option, "/nowhere/figures.svg"]) == 1
    assert "cannot write /nowhere/figures.svg: No such file" in capsys.readouterr().err


def test_help_lists_its_own_options_and_those_of_pools(capsys):
    assert main(["simulate", "--help"]) == 0
    out = capsys.readouterr().out
    assert "--service-time DISTRIBUTION" in out
    assert "--eject-failures" in out
