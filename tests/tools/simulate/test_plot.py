"""Pictures of latencies."""

import pytest

from pylb.errors import UsageError
from pylb.tools.simulate.outcome import Outcome
from pylb.tools.simulate.plot import draw


def outcome(policy):
    made = Outcome(policy)
    for milliseconds in range(1, 200):
        made.latencies.add(milliseconds / 1e3)
    return made


def test_each_policy_has_a_curve_and_nothing_is_painted_behind_it(tmp_path):
    path = tmp_path / "latency.svg"
    draw([outcome("random"), outcome("round-robin")], path)
    svg = path.read_text()
    assert svg.count("clip-path=") >= 2
    assert svg.partition('style="')[2].startswith("fill: none")


def test_a_name_without_a_known_ending_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"--plot .*latency\.txt: Format 'txt' is not supported"):
        draw([outcome("random")], tmp_path / "latency.txt")
