"""Service times: what the words mean, and that the mean is the mean."""

from random import Random
from statistics import fmean

import pytest

from pylb.tools.simulate.distribution import DISTRIBUTION, recorded
from tests.every import every


def drawn(text, number=50_000):
    rng = Random(7)
    distribution = DISTRIBUTION.parse(text)
    return [distribution.draw(rng) for _ in range(number)]


@pytest.mark.parametrize(
    "text", ["constant:20ms", "exponential:20ms", "lognormal:20ms:0.8", "pareto:20ms:3", "pareto:0.02:4"]
)
def test_each_distribution_has_the_given_mean(text):
    assert fmean(drawn(text)) == pytest.approx(0.02, rel=0.03)


def test_each_distribution_has_the_expected_tail():
    p999 = {text: sorted(drawn(text))[49_950] for text in ("exponential:20ms", "lognormal:20ms:1.5")}
    assert p999["exponential:20ms"] == pytest.approx(0.02 * 6.9, rel=0.15)
    assert p999["lognormal:20ms:1.5"] > 2 * p999["exponential:20ms"]
    assert min(drawn("pareto:20ms:2")) >= 0.01


def test_log_has_no_distribution():
    assert DISTRIBUTION.parse("log").draw is None
    assert {recorded((1.0, 2.0))(Random(seed)) for seed in range(20)} == {1.0, 2.0}


@every(
    "text",
    ["20ms", "constant", "constant:", "exponential:1s:2", "pareto:1s:1", "lognormal:1s", "normal:1s", ""],
)
def test_an_invalid_distribution_is_rejected(text):
    with pytest.raises(ValueError):  # noqa: PT011 - the parser of options says the rest
        DISTRIBUTION.parse(text)
