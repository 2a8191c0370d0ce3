"""A simulated instance: its queue, its slowness, its death; connections to it."""

from pylb.tools.simulate.instance import Connections, Instance


def test_requests_wait_for_a_free_slot_in_order():
    instance = Instance(concurrency=2)
    assert [instance.serve(0.0, 1.0) for _ in range(5)] == [1.0, 1.0, 2.0, 2.0, 3.0]
    assert instance.serve(10.0, 1.0) == 11.0
    assert instance.requests == 6


def test_a_slow_instance_takes_longer():
    assert Instance(slowness=3).serve(1.0, 2.0) == 7.0


def test_a_dead_instance_loses_its_requests_and_returns_idle():
    instance = Instance(dies=5.0, returns=8.0)
    instance.serve(4.0, 100.0)
    assert [instance.is_dead(now) for now in (4.9, 5.0, 7.9, 8.0)] == [False, True, True, False]
    assert instance.serve(9.0, 1.0) == 10.0


def test_the_newest_idle_connection_is_used_unless_expired():
    connections = Connections(Instance(), keep=4.0)
    assert [connections.take(0.0), connections.take(0.0)] == [False, False]
    connections.give_back(1.0)
    connections.give_back(5.0)
    assert connections.idle(5.5) == 1
    assert connections.take(6.0)
    assert not connections.take(6.0)
    assert connections.opened == 3
