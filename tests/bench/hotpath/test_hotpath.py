"""What `python -m bench.hotpath` measures."""

import sys
from types import SimpleNamespace

import pytest
from rich.console import Console

from bench.hotpath.__main__ import parse, peers_of
from bench.hotpath.measure import interleave
from bench.hotpath.run import Run
from bench.lib.machine import Machine
from bench.lib.repository import REPOSITORY
from bench.lib.sample import Sample
from bench.lib.workload import WORKLOADS


def checkout(directory, package):
    """A directory whose `.venv/bin/pylb` runs with an interpreter that imports that package."""
    scripts = directory / ".venv" / "bin"
    scripts.mkdir(parents=True)
    python = scripts / "python"
    python.write_text(f"#!/bin/sh\necho {package}\n")
    python.chmod(0o755)
    (scripts / "pylb").write_text(f"#!{python}\n")
    return directory


def names(*arguments):
    return [peer.name for peer in peers_of(parse(arguments))]


def test_without_before_all_peers_are_measured():
    assert names()[:2] == ["pylb", "nginx"]
    assert "before" not in names()
    assert names("--peers", "nginx,pylb") == ["nginx", "pylb"]


def test_with_before_pylb_the_other_checkout_and_nginx_are_measured(tmp_path):
    before = str(checkout(tmp_path, tmp_path / "pylb" / "__init__.py"))
    assert names("--before", before) == ["pylb", "before", "nginx"]
    assert names("--before", before, "--peers", "haproxy") == ["pylb", "before", "haproxy"]


def test_the_other_checkout_runs_its_own_command(tmp_path):
    before = checkout(tmp_path, tmp_path / "pylb" / "__init__.py")
    peer = peers_of(parse(["--before", str(before)]))[1]
    assert peer.source.locate() == tmp_path / ".venv" / "bin" / "pylb"


@pytest.mark.parametrize("runs", [REPOSITORY / "pylb" / "__init__.py", ""])
def test_a_checkout_whose_command_runs_other_code_is_an_error(tmp_path, runs, capsys):
    with pytest.raises(SystemExit):
        parse(["--before", str(checkout(tmp_path, runs))])
    assert f"not {tmp_path}/pylb/__init__.py" in " ".join(capsys.readouterr().err.split())


def test_a_checkout_without_a_virtual_environment_is_an_error(tmp_path, capsys):
    with pytest.raises(SystemExit):
        parse(["--before", str(tmp_path)])
    assert "`pip install --editable` makes it" in capsys.readouterr().err


def test_even_rounds_measure_the_peers_in_reverse_order(monkeypatch):
    monkeypatch.setattr("bench.hotpath.measure.measure", lambda server, *_: server.name)
    servers = [SimpleNamespace(name="a"), SimpleNamespace(name="b")]
    order = [sample for _, sample in interleave(servers, [WORKLOADS["small"]], 3, 1, None) if sample]
    assert order == ["a", "b", "b", "a", "a", "b"]


def test_the_ratio_to_before_is_the_median_over_the_rounds(capsys):
    cost = {"pylb": (10, 30, 22), "before": (10, 20, 20)}
    samples = [
        Sample("small", peer, number, cpu, 0.0, 1000.0, 1.0, 2.0, 10.0, 5000, 0)
        for peer, each in cost.items()
        for number, cpu in enumerate(each, 1)
    ]
    result = Run(Machine.this(), [WORKLOADS["small"], WORKLOADS["tls"]], {}, samples=samples)
    result.show_change(Console(file=sys.stdout, width=110), "pylb", "before")
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["small", "1.100", "1.000", "1.500", "3"] in rows
    assert not any(row[:1] == ["tls"] for row in rows)
