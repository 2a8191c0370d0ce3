import pytest

from pylb.config.backends import Balancing
from pylb.policy.balance.limited import Limited, least_loaded_with_capacity
from pylb.policy.queue import Full, Queue, QueuedRequest
from tests.policy.backends import backends


class First:
    reads_load = False

    def __init__(self, line):
        self.line = line

    def pick(self, key=None):
        return self.line[0]


def limited(*weights, limit=1):
    line = backends(*weights)
    for backend in line:
        backend.limit = limit
    queue = Queue(Balancing())
    return Limited(First(line), line, queue), line, queue


def test_the_policy_decides_while_its_choice_has_capacity():
    balancer, (first, _), _ = limited(1, 1, limit=2)
    first.count(1)
    assert balancer.pick() is first


def test_otherwise_the_least_loaded_backend_with_capacity_is_picked():
    balancer, (first, second, third), _ = limited(1, 1, 4, limit=2)
    first.count(2), second.count(1), third.count(1)
    assert balancer.pick() is third


def test_full_is_raised_if_all_are_full_or_others_wait():
    balancer, (first, second), queue = limited(1, 1)
    first.count(1), second.count(1)
    with pytest.raises(Full):
        balancer.pick()
    first.count(-1)
    queue.join(QueuedRequest((), lambda: None))
    with pytest.raises(Full):
        balancer.pick()


def test_a_tried_backend_is_the_last_choice():
    line = backends(1, 1)
    for backend in line:
        backend.limit = 1
    assert least_loaded_with_capacity(line, (line[0],)) is line[1]
    line[1].count(1)
    assert least_loaded_with_capacity(line, (line[0],)) is line[0]
    line[0].count(1)
    assert least_loaded_with_capacity(line) is None
