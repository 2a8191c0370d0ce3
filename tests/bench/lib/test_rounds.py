"""The order of the rounds, with real proxies of which one starts only once."""

import orjson
import pytest

from bench.change.__main__ import main as change
from bench.failure.__main__ import SET_UPS
from bench.failure.__main__ import main as failure
from bench.lib.peers.follower import FOLLOWERS, PylbFollower
from bench.lib.rounds import interleaved
from bench.lib.server import Command


def test_each_name_has_its_turn_before_the_next_round():
    assert list(interleaved(["a", "b"], 2, {})) == ["a", "b", "a", "b"]


def test_a_missing_name_has_no_further_turn():
    missing, had = set(), []
    for name in interleaved(["a", "b"], 3, missing):
        had.append(name)
        if had.count("b") == 2:
            missing.add("b")
    assert had == ["a", "b", "a", "b", "a"]


class Fleeting(PylbFollower):
    """A pylb that starts a given number of times and then exits at once."""

    def __init__(self, name, times, starts):
        super().__init__(name, FOLLOWERS["pylb"].source)
        self._times, self._starts = times, starts

    def command(self, site, registry):
        self._starts.append(self.name)
        if self._starts.count(self.name) > self._times:
            return Command(["false"])
        return super().command(site, registry)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("main", "options"),
    [
        (change, "--changes 1 --before 0.1 --connections 2"),
        (failure, "--faults killed --seconds 1 --timeout 0.5 --connections 2"),
    ],
)
def test_a_proxy_that_fails_in_the_second_round_keeps_its_first_result(
    main, options, tmp_path, monkeypatch, capsys
):
    starts = []
    for name, times in (("once", 1), ("pylb", 3)):
        for known in (FOLLOWERS, SET_UPS):
            monkeypatch.setitem(known, name, Fleeting(name, times, starts))
    out = tmp_path / "rounds.json"
    argv = ["--peers", "once,pylb", "--rounds", "3", "--json", str(out)]
    assert main([*argv, *options.split()]) == 0
    assert starts == ["once", "pylb", "once", "pylb", "pylb"]
    content = orjson.loads(out.read_bytes())
    results = content["results"].get("killed", content["results"])
    assert {name: len(rounds) for name, rounds in results.items()} == {"once": 1, "pylb": 3}
    assert content["settings"]["rounds"] == 3
    assert list(content["missing"]) == ["once"]
    assert "once is missing: " in capsys.readouterr().out
