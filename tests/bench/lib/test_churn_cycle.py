"""The times of first and last requests of a churn cycle, and the shutdown of its origin."""

import urllib.error
import urllib.request

import pytest

from bench.lib.churn_cycle import ChurnCycle
from bench.lib.origins import serve_origins
from bench.lib.ports import free_ports


class Catalog:
    """A registry that accepts every call."""

    def __init__(self):
        self.known = {}

    def register(self, instance, port):
        self.known[instance] = port

    def deregister(self, instance):
        del self.known[instance]


@pytest.fixture
def origins(tmp_path):
    with serve_origins(tmp_path, free_ports(2), range(1)) as running:
        yield running


def ask(origins, slot):
    with urllib.request.urlopen(f"http://127.0.0.1:{origins.ports[slot]}/") as answer:
        assert answer.read() == b"ok\n"


def test_times_start_when_the_registry_has_answered(origins):
    catalog = Catalog()
    cycle = ChurnCycle(catalog, origins, 1, "new")
    cycle.register()
    assert catalog.known == {"new": origins.ports[1]}
    assert not cycle.has_requests
    assert cycle.appeared is None
    ask(origins, 1)
    assert cycle.has_requests
    assert 0 <= cycle.appeared < 5
    cycle.deregister()
    assert catalog.known == {}
    ask(origins, 1)
    assert not cycle.is_drained
    assert cycle.vanished is None


def test_a_first_request_after_the_deregistration_does_not_count(origins):
    cycle = ChurnCycle(Catalog(), origins, 0, "new")
    cycle.register()
    cycle.deregister()
    ask(origins, 0)
    assert cycle.appeared is None


def test_a_stopped_origin_does_not_listen_and_the_others_do(origins):
    ask(origins, 0)
    ChurnCycle(Catalog(), origins, 0, "new").end()
    with pytest.raises(urllib.error.URLError, match="refused"):
        ask(origins, 0)
    ask(origins, 1)
