"""The first-request rule alone; `test_pool` and `test_pool_health` test it in a pool."""

from types import SimpleNamespace

from pylb.policy.first_request import due_for_first_request
from tests.policy.backends import backends


def test_new_backends_come_before_half_open_ones():
    new, half_open = backends(1, 1)
    assert due_for_first_request([new], [half_open], 0.0) is new
    new.count(+1)
    assert due_for_first_request([new], [half_open], 0.0) is half_open
    assert due_for_first_request([], [], 0.0) is None


def test_a_half_open_backend_with_a_trial_or_at_its_limit_is_skipped():
    (backend,) = backends(1)
    backend.health.trial = SimpleNamespace(started=0.0, uploading=False)
    assert due_for_first_request([], [backend], 5.0) is None
    backend.health.trial = None
    backend.limit = 1
    backend.count(+1)
    assert due_for_first_request([], [backend], 5.0) is None
