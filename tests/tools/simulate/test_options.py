"""What `pylb simulate` takes, and what it refuses."""

import pytest

from pylb.config.parse import parse
from pylb.errors import UsageError
from pylb.tools.simulate.options import SimulateOptions
from tests.every import every


def read(*arguments):
    return parse(SimulateOptions, arguments, {})


def test_groups_of_instances_are_numbers_with_colons():
    options = read("--slow", "3:2.5", "--dead", "2:10s:500ms")
    assert (options.slow, options.dead) == ((3.0, 2.5), (2.0, 10.0, 0.5))
    assert read().dead is None


def test_compare_overrides_policy():
    assert read("--policy", "random").policies == ("random",)
    assert read("--compare", "random,least-connections").policies == ("least-connections", "random")


@every(
    ("arguments", "message"),
    [
        (("--slow", "11:2"), "--slow: got 11 instances, expected at most 10"),
        (("--dead", "11:1s:1s"), "--dead: got 11 instances, expected at most 10"),
        (("--subset", "11"), "--subset: got 11 instances, expected at most 10"),
        (("--slow", "1"), "--slow: got '1', expected a number of instances and a factor"),
        (("--slow", "1:0"), "--slow: got '1:0'"),
        (("--dead", "1:2"), "--dead: got '1:2', expected a number of instances, a start and a duration"),
        (("--rate", "log"), "--rate log: expected --log FILE with it"),
        (("--service-time", "log"), "--service-time log: expected --log FILE with it"),
        (("--service-time", "slow"), "--service-time: got 'slow', expected constant:MEAN"),
        (("--instances", "10000", "--balancers", "1000"), "got 10,000,000 backends"),
        (("--compare", "best"), "--compare: got 'best', expected some of least-connections,"),
    ],
)
def test_contradictory_options_are_rejected_in_one_line(arguments, message):
    with pytest.raises(UsageError) as caught:
        read(*arguments)
    assert message in str(caught.value)
