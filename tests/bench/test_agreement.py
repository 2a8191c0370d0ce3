"""The simulator is believed because it agrees with a live run of the same requests."""

import pytest

from bench.agreement import Comparison, Times, compare
from pylb.simulate.distribution import DISTRIBUTION
from pylb.simulate.options import SimulateOptions

TOLERANCE = 0.25
"""400 requests are few; `python -m bench.agreement` sends 3,000 and allows 10 %."""

ATTEMPTS = 3


@pytest.mark.slow
def test_simulated_latencies_are_those_that_a_live_pylb_has():
    """Give or take what a busy machine adds even to requests that take no time."""
    options = SimulateOptions(
        instances=4, rate=70, requests=400, service_time=DISTRIBUTION.parse("exponential:40ms")
    )
    seen = []
    for _ in range(ATTEMPTS):
        (found,) = compare(options, ["least-connections"])
        pairs = ((found.live.mean, found.simulated.mean), (found.live.p99, found.simulated.p99))
        if all(abs(live - simulated) < TOLERANCE * live + found.noise for live, simulated in pairs):
            return
        seen.append(found)
    pytest.fail(f"they are further apart than {TOLERANCE:.0%}: {seen}")


def test_what_is_off_is_a_share_of_what_was_measured():
    found = Comparison("random", live=Times(0.1, 0.2), simulated=Times(0.11, 0.15), noise=0.0)
    assert found.off == (pytest.approx(0.1), pytest.approx(-0.25))
    assert Times.of([1.0] * 98 + [5.0, 9.0]) == Times(1.12, 9.0)
