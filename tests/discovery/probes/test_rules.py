from pylb.config.backends import Health
from pylb.discovery.probes.rules import ProbeRules
from pylb.model import Endpoint


def test_by_default_instances_are_not_probed_and_have_no_tls():
    rules = ProbeRules()
    assert rules.health == Health()
    assert rules.health.probe == ""
    assert rules.tls(Endpoint("web", "10.0.0.1", 80)) is None
