"""The cost of failures: a real registry and real proxies, in short runs."""

import time
from contextlib import ExitStack
from dataclasses import replace

import orjson
import pytest
from rich.console import Console

from bench.failure import faults
from bench.failure.__main__ import SET_UPS, main
from bench.failure.environment import Environment
from bench.failure.faults import FAULTS, REGISTER_DELAY
from bench.failure.measure import Outcome
from bench.failure.summary import cells, over
from bench.failure.tables import show
from bench.lib.client_report import ClientReport
from bench.lib.peers.follower import FOLLOWERS
from bench.lib.peers.peer import TEMPLATES
from bench.lib.peers.tuned import TAGS, TUNED

CHECKED = ClientReport(
    answers=90,
    bad_status=4,
    refused=1,
    reset=2,
    truncated=3,
    timed_out=5,
    slow=6,
    closed_unannounced=7,
    closed_announced=8,
)


def test_failures_are_counted_and_timed_from_the_fault():
    report = ClientReport(answers=90, troubles=[(101.0, "timed_out"), (101.05, "timed_out"), (103.5, "slow")])
    outcome = Outcome.of("1", report, took=9.0, injected=100.0, deadline=104.0)
    assert outcome.troubles == {"timed_out": {"1.0": 2}, "slow": {"3.5": 1}}
    assert (outcome.rate, outcome.recovered) == (10.0, 3.5)
    assert Outcome.of("1", report, took=9.0, injected=100.0, deadline=103.0).recovered is None
    assert Outcome.of("1", ClientReport(), took=9.0, injected=100.0, deadline=103.0).recovered == 0


def test_a_row_shows_failures_by_kind(capsys):
    show("hung", {"pylb": [Outcome.of("1", CHECKED, 9.0, 0.0, 1.0)]}, Console(width=160))
    row = next(line for line in capsys.readouterr().out.splitlines() if "pylb" in line)
    assert row.split()[2:] == ["15", "4", "6", "5", "6", "0.00", "12", "10.0"]


def ended(*seconds):
    outcome = Outcome.of("1", CHECKED, 9.0, 0.0, 1.0)
    return [replace(outcome, recovered=each) for each in seconds]


def test_every_figure_is_the_median_of_the_rounds_and_has_their_spread():
    rounds = [
        replace(each, timed_out=late) for each, late in zip(ended(6.0, 7.0, 9.0), (22, 19, 25), strict=True)
    ]
    shown = list(map(str, cells(rounds)))
    assert shown == ["32 ± 3", "4", "6", "22 ± 3", "6", "7.00 ± 1.50", "12", "10.0"]


def test_a_round_without_recovery_is_shown_and_not_part_of_the_median():
    assert over(ended(6.0, None, 7.0)) == "6.50 ± 0.50, never in 1 of 3"
    assert over(ended(None, None, 7.0)) == "7.00, never in 2 of 3"
    assert over(ended(None, None)) == "never"


class Process:
    def __init__(self, log):
        self.kill, self.suspend, self.resume = (
            lambda word=word: log.append(word) for word in ("kill", "suspend", "resume")
        )


class Running:
    """A program that is also a backend."""

    def __init__(self, log):
        self.server, self.processes = self, [Process(log)]


class FaultTarget:
    """An environment that records what a fault does."""

    def __init__(self, log, until):
        self.until = until
        self.backends, self.consul = [Running(log)], Running(log)
        self.start_registry = lambda: log.append("start")
        self.register = lambda: log.append("register")


@pytest.mark.parametrize(
    ("fault", "does"),
    [("killed", ["kill"]), ("hung", ["suspend", "resume"]), ("registry", ["kill", "start", "register"])],
)
def test_a_fault_is_injected_and_a_hung_backend_can_be_stopped(fault, does, monkeypatch):
    monkeypatch.setattr(faults, "REGISTER_DELAY", 0.01)
    log = []
    with ExitStack() as stack:
        FAULTS[fault].inject(FaultTarget(log, stack), 0.01)
    assert log == does


@pytest.mark.slow
def test_a_restarted_registry_has_the_same_ports_and_the_backends(tmp_path):
    with ExitStack() as stack:
        environment = Environment(range(1), ["a-tag"], stack)
        before = environment.consul.port
        began = time.monotonic()
        FAULTS["registry"].inject(environment, 0.1)
        assert time.monotonic() - began > REGISTER_DELAY
        assert environment.consul.port == before == environment.registry.http
        environment.consul.wait_until_ready("/v1/health/service/web", containing=b'"a-tag"')
        assert not environment.is_served()


def test_each_rival_has_a_default_and_a_tuned_configuration():
    rivals = {name for name in SET_UPS if name not in {"pylb", "traefik-watch", *TUNED}}
    assert {name.removesuffix("-tuned") for name in TUNED} == rivals
    for name, follower in TUNED.items():
        default = SET_UPS[name.removesuffix("-tuned")]
        assert (TEMPLATES / follower.template).read_text() != (TEMPLATES / default.template).read_text()
    assert TUNED["traefik-tuned"].tags == TAGS
    assert all(tag.startswith("traefik.") for tag in TAGS)
    assert set(FOLLOWERS) < set(SET_UPS)


@pytest.mark.slow
def test_a_killed_backend_is_counted_for_each_proxy(tmp_path):
    out = tmp_path / "failure.json"
    argv = ["--faults", "killed", "--peers", "pylb,nginx-tuned", "--seconds", "2", "--timeout", "0.9"]
    assert main([*argv, "--connections", "4", "--json", str(out)]) == 0
    content = orjson.loads(out.read_bytes())
    assert set(content["versions"]) == set(content["results"]["killed"]) == {"pylb", "nginx-tuned"}
    assert content["settings"]["seconds (killed)"] == 2
    (pylb,) = content["results"]["killed"]["pylb"]
    assert (pylb["bad_status"], pylb["timed_out"]) == (0, 0)
    assert pylb["rate"] > 10


def test_a_bad_option_is_named(capsys):
    with pytest.raises(SystemExit):
        main(["--faults", "flood"])
    assert "got 'flood', expected names out of killed, hung, registry" in capsys.readouterr().err
