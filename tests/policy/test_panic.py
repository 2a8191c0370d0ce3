from pylb.policy.backend import State
from pylb.policy.panic import served_in_panic
from tests.policy.backends import backends


def test_in_panic_only_backends_that_refuse_connections_receive_no_requests():
    good, failing, refusing = candidates = backends(1, 1, 1)
    failing.state = refusing.state = State.EJECTED
    refusing.health.unreachable = True
    assert served_in_panic(candidates) == [good, failing]


def test_in_panic_all_backends_receive_requests_if_all_refuse_connections():
    candidates = backends(1, 1)
    for backend in candidates:
        backend.state, backend.health.unreachable = State.SUSPECT, True
    assert served_in_panic(candidates) == candidates
