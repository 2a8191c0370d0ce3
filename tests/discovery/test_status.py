from pylb.discovery.status import DiscoveryStatus


def test_pending_has_no_age():
    status = DiscoveryStatus("web")
    assert (status.pending, status.age(10.0)) == (True, None)


def test_the_age_starts_at_the_last_response():
    status = DiscoveryStatus("web", answered=10.0)
    assert (status.pending, status.age(12.5)) == (False, 2.5)
