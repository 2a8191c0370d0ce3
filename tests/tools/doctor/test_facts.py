from pylb.model import Endpoint, Excluded
from pylb.tools.doctor.facts import Instances


def test_all_instances_are_passing_and_excluded_ones():
    one, two = Endpoint("web", "10.0.0.1", 80, id="a"), Endpoint("web", "10.0.0.2", 80, id="b")
    assert Instances(passing=(one,), excluded=(Excluded(two, "critical"),)).all == (one, two)
