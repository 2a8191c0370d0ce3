import pytest

from bench.change.services.measure import Settings, measure

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(("own", "connections"), [(-1, 3), (1, 8)], ids=["own queries", "shared queries"])
def test_changes_of_some_services_are_seen_and_accounted_for(own, connections):
    settings = Settings(services=3, nodes=2, own=own, workers=1, changes=1, quiet=0.1, has_checks=True)
    result = measure(settings)
    assert set(result.times) == {"registered", "critical", "passing", "deregistered"}
    assert (result.lost, result.changes) == (0, 4)
    assert 3 <= result.connections <= connections
    assert result.changing.read > 0
