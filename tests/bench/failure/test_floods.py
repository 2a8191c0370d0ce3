import pytest

from bench.failure.floods import FLOODS, Outcome
from pylb.http2 import frames


@pytest.mark.parametrize("name", FLOODS)
def test_a_flood_is_made_of_whole_frames(name):
    steps = FLOODS[name][1]()
    data = b"".join(step for step, _ in zip(steps, range(300), strict=False))
    position = 0
    while position < len(data):
        first, _, _ = frames.HEADER.unpack_from(data, position)
        position += frames.HEADER_LENGTH + (first >> 8)
    assert position == len(data) > 0


def test_a_quantile_is_a_latency_that_was_measured():
    outcome = Outcome("", 0.0, 0, 0, [float(n) for n in range(100)], 0, 0, 0)
    assert [outcome.quantile(share) for share in (0.5, 0.99, 1)] == [50, 99, 99]
