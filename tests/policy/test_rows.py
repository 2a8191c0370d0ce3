from pylb.model import Endpoint, Excluded, PoolState
from pylb.policy.rows import REASONS, ServiceRow, why_empty
from tests.policy.backends import backends, endpoint

OUT = Excluded(endpoint(9), "critical")


def test_the_reason_for_an_empty_pool_names_its_instances():
    (weightless,) = backends(0)
    assert why_empty("web", None, ()) == "service 'web': the registry has not answered yet"
    assert why_empty("web", PoolState("web", ()), ()) == "service 'web': the registry lists no instance"
    assert why_empty("web", PoolState("web", (), (OUT,)), [weightless]) == (
        "service 'web': no instance is eligible (web-9: critical; web-1: weight 0)"
    )


def test_the_reason_for_an_empty_pool_fits_into_a_log_line():
    text = why_empty("web", PoolState("web", ()), backends(*[0] * (REASONS + 2)))
    assert text.endswith("web-5: weight 0; 2 more)")


def test_a_row_without_backends_has_the_reason_of_its_state():
    nameless = Excluded(Endpoint("web", "10.0.0.1", 80), "maintenance")
    row = ServiceRow("web", "random", PoolState("web", (), (nameless,)))
    assert row.why_empty() == "service 'web': no instance is eligible (10.0.0.1:80: maintenance)"
