import orjson

from pylb.ipc.health_update import HealthUpdate
from pylb.model import Endpoint
from pylb.policy.backend import Backend, State


def test_a_health_update_is_decoded_unchanged():
    backend = Backend(Endpoint("web", "10.0.0.1", 80, id="web-1", node="n", dc="dc1"))
    backend.state = State.EJECTED
    backend.health.since, backend.health.until, backend.health.unreachable = 5.5, 15.5, True
    said = HealthUpdate.of(backend)
    assert HealthUpdate.from_dict(orjson.loads(said.to_bytes())) == said
    assert (said.key, said.authority) == backend.identity
    assert (said.state, said.since, said.until, said.unreachable) == (State.EJECTED, 5.5, 15.5, True)


def test_a_health_update_without_failures_is_decoded():
    said = HealthUpdate.of(Backend(Endpoint("web", "10.0.0.1", 80)))
    assert HealthUpdate.from_dict(orjson.loads(said.to_bytes())) == said
