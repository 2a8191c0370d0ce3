"""See tests/process/test_overview.py for what others make of it."""

from pylb.model import Endpoint
from pylb.observe.assigned import AssignedCounters
from pylb.observe.block import Block
from pylb.observe.gauges import IN_FLIGHT
from pylb.policy.backend import State
from pylb.policy.shared import SharedBackend

WEB = Endpoint("web", "10.0.0.1", 80)


def test_cells_are_where_it_was_told():
    block = Block(rows=2, row=1)
    counters = AssignedCounters(block)
    counters.service("web")[0] += 1
    counters.assign("web", 3, {WEB.authority: 4})
    backend = SharedBackend(WEB)
    counters.attach(backend)
    backend.cells[0] += 10
    backend.count(+1)
    counters.service("web")[0] += 100
    assert (block.total(3)[0], block.total(4)[0]) == (100, 10), "and what came before is lost"
    assert block.gauge(4, IN_FLIGHT).tolist() == [0, 1]
    counters.detach(backend)
    backend.cells[0] += 1000
    assert (block.total(3)[0], block.total(4)[0]) == (1100, 10)
    assert block.gauge(4, IN_FLIGHT).tolist() == [0, 1], "what runs there is seen until it has ended"


def test_what_has_left_has_nothing_to_publish():
    counters = AssignedCounters(Block())
    counters.assign("web", 3, {})
    gone = SharedBackend(WEB)
    counters.publish(gone)
    counters.assign("web", 3, {WEB.authority: 4})
    gone.state = State.DRAINING
    counters.publish(gone)
