import pytest

from pylb.config.backends import Balancing
from pylb.policy.balance.limited import Limited, least_loaded_with_capacity
from pylb.policy.queue import Full, Queue, Waiter
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


def test_the_policy_has_its_way_while_there_is_room():
    balancer, (first, _), _ = limited(1, 1, limit=2)
    first.count(1)
    assert balancer.pick() is first


def test_else_the_least_loaded_that_has_room():
    balancer, (first, second, third), _ = limited(1, 1, 4, limit=2)
    first.count(2), second.count(1), third.count(1)
    assert balancer.pick() is third


def test_it_says_when_all_are_full_and_when_others_wait():
    balancer, (first, second), queue = limited(1, 1)
    first.count(1), second.count(1)
    with pytest.raises(Full):
        balancer.pick()
    first.count(-1)
    queue.join(Waiter((), lambda: None))
    with pytest.raises(Full):
        balancer.pick()


def test_one_that_was_tried_is_the_last_resort():
    line = backends(1, 1)
    for backend in line:
        backend.limit = 1
    assert least_loaded_with_capacity(line, (line[0],)) is line[1]
    line[1].count(1)
    assert least_loaded_with_capacity(line, (line[0],)) is line[0]
    line[0].count(1)
    assert least_loaded_with_capacity(line) is None
