"""Any series of snapshots and requests, against a plain account of what must be true."""

from random import Random

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from pylb.errors import ProxyError
from pylb.model import Endpoint, PoolState
from pylb.policy.backend import State
from pylb.policy.balance import BALANCERS
from tests.policy.backends import web_pool

ENDPOINTS = st.builds(
    Endpoint,
    service=st.just("web"),
    id=st.sampled_from(["a", "b", "c", "d"]),
    address=st.sampled_from(["10.0.0.1", "10.0.0.2"]),
    port=st.sampled_from([80, 81]),
    weight=st.integers(0, 3),
    tags=st.sampled_from([(), ("v2",)]),
)


class PoolUnderChange(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.pool = web_pool(rng=Random(1))
        self.endpoints = {}
        self.leases = []
        self.living = {}
        """The object of each identity, for as long as it is listed or has requests."""

    @rule(endpoints=st.lists(ENDPOINTS, max_size=8))
    def snapshot(self, endpoints):
        before = set(self.endpoints)
        self.endpoints = {(e.key, e.authority): e for e in endpoints}
        change = self.pool.apply(PoolState("web", tuple(endpoints)))
        assert {(b.key, b.name) for b in change.added} == set(self.endpoints) - before
        assert {(b.key, b.name) for b in change.removed} == before - set(self.endpoints)
        assert {(b.key, b.name) for b in change.updated} <= set(self.endpoints) & before

    @rule(policy=st.sampled_from(sorted(BALANCERS)))
    def another_policy(self, policy):
        """A pool that starts late is no different from one that was there all the time."""
        late = web_pool(policy=policy, rng=Random(1))
        late.apply(PoolState("web", tuple(self.endpoints.values())))
        assert [b.endpoint for b in late.eligible] == [b.endpoint for b in self.pool.eligible]

    @rule(data=st.data())
    def request_begins(self, data):
        retained = [lease.backend for lease in self.leases]
        tried = data.draw(st.lists(st.sampled_from(retained), unique=True)) if retained else []
        try:
            lease = self.pool.lease(tried)
        except ProxyError:
            assert not any(endpoint.weight for endpoint in self.endpoints.values())
            return
        assert lease.backend not in tried or set(self.pool.eligible) <= set(tried)
        lease.__enter__()
        self.leases.append(lease)

    @rule(data=st.data(), error=st.sampled_from([None, ValueError()]))
    def request_ends(self, data, error):
        if self.leases:
            lease = self.leases.pop(data.draw(st.integers(0, len(self.leases) - 1)))
            assert not lease.__exit__(error and type(error), error, None)

    @invariant()
    def the_last_snapshot_is_what_counts(self):
        pool = self.pool
        assert {identity: b.endpoint for identity, b in pool.backends.items()} == self.endpoints
        assert [b.endpoint for b in pool.eligible] == [e for e in self.endpoints.values() if e.weight]
        assert all(b.weight == b.endpoint.weight and b.state is State.UP for b in pool.backends.values())

    @invariant()
    def requests_are_counted_where_they_are(self):
        backends = {*self.pool.backends.values(), *self.pool.draining.values()}
        retained = [lease.backend for lease in self.leases]
        assert {b: b.inflight for b in backends} == {b: retained.count(b) for b in backends}
        assert set(retained) <= backends

    @invariant()
    def who_left_drains_as_long_as_it_has_requests(self):
        retained = {lease.backend for lease in self.leases}
        assert set(self.pool.draining.values()) == retained - set(self.pool.backends.values())
        assert all(b.state is State.DRAINING for b in self.pool.draining.values())

    @invariant()
    def an_identity_is_one_object_while_it_lives(self):
        now = self.pool.backends | self.pool.draining
        assert all(now.get(identity, b) is b for identity, b in self.living.items())
        assert all(b.state is State.GONE for identity, b in self.living.items() if identity not in now)
        self.living = now


TestPoolUnderChange = PoolUnderChange.TestCase
