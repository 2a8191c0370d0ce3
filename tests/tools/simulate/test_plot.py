"""Pictures of latencies."""

import pytest

from pylb.errors import UsageError
from pylb.tools.simulate.outcome import Outcome


@pytest.fixture(scope="module")
def draw():
    """`draw`, imported by the tests that use it: matplotlib takes half a second to import."""
    from pylb.tools.simulate.plot import draw

    return draw


def outcome(policy):
    made = Outcome(policy)
    for milliseconds in range(1, 200):
        made.latencies.add(milliseconds / 1e3)
    return made


def test_each_policy_has_a_curve_on_a_transparent_background(draw, tmp_path):
    path = tmp_path / "latency.svg"
    draw([outcome("random"), outcome("round-robin")], path)
    svg = path.read_text()
    assert svg.count("clip-path=") >= 2
    assert svg.partition('style="')[2].startswith("fill: none")


def test_an_unknown_file_type_is_rejected(draw, tmp_path):
    with pytest.raises(UsageError, match=r"--plot .*latency\.txt: Format 'txt' is not supported"):
        draw([outcome("random")], tmp_path / "latency.txt")
