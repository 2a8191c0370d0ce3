import orjson

from pylb.ipc.health_update import HealthUpdate
from pylb.model import Endpoint
from pylb.policy.backend import Backend, State


def test_a_health_update_is_decoded_unchanged():
    backend = Backend(Endpoint("web", "10.0.0.1", 80, id="web-1", node="n", dc="dc1"))
    backend.state = State.EJECTED
    backend.health.since, backend.health.until, backend.health.unreachable = 5.5, 15.5, True
    update = HealthUpdate.of(backend)
    assert HealthUpdate.from_dict(orjson.loads(update.to_bytes())) == update
    assert (update.key, update.authority) == backend.identity
    assert (update.state, update.since, update.until, update.unreachable) == (State.EJECTED, 5.5, 15.5, True)


def test_a_health_update_without_failures_is_decoded():
    update = HealthUpdate.of(Backend(Endpoint("web", "10.0.0.1", 80)))
    assert HealthUpdate.from_dict(orjson.loads(update.to_bytes())) == update
