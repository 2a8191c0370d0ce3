from hypothesis import given
from hypothesis import strategies as st

from pylb.policy.backend import Backend
from tests.every import every
from tests.policy.backends import endpoint


def test_load_is_the_requests_of_all_workers_divided_by_weight():
    backend = Backend(endpoint(1, weight=4))
    backend.count(+1)
    backend.on_peer_update(5)
    assert (backend.inflight, backend.elsewhere, backend.load) == (1, 5, 1.5)


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("count"), st.integers(-5, 5)),
            st.tuples(st.just("on_peer_update"), st.integers(0, 100)),
            st.tuples(st.just("update"), st.integers(1, 100)),
        )
    )
)
def test_load_follows_every_change(changes):
    backend = Backend(endpoint(1))
    for change, value in changes:
        if change == "update":
            backend.update(endpoint(1, weight=value))
        else:
            getattr(backend, change)(value)
        assert backend.load == (backend.inflight + backend.elsewhere) / backend.weight


@every("weight", [1, 2, 3, 7, 49, 65535, 10**12])
def test_equal_load_is_equal_for_different_weights(weight):
    backend = Backend(endpoint(1, weight=weight))
    backend.count(3 * weight)
    assert backend.load == 3


def test_weight_zero_causes_no_division_by_zero():
    backend = Backend(endpoint(1, weight=2))
    backend.count(+1)
    backend.update(endpoint(1, weight=0))
    backend.count(-1)
    assert (backend.weight, backend.inflight) == (0, 0)


def test_repr_shows_the_state():
    backend = Backend(endpoint(7, weight=3))
    backend.count(+2)
    backend.idle.append(object())
    assert repr(backend) == "<Backend web-7 10.0.0.7:80 up w3 | 2 active, 1 idle>"
