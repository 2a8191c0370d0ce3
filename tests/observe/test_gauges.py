from pylb.observe import gauges


def test_no_two_gauges_and_no_two_counters_share_a_place():
    assert {gauges.IN_FLIGHT, gauges.IDLE} == {gauges.CLIENTS, gauges.SLOTS} == set(range(gauges.GAUGES))
    counters = [gauges.REFUSED, gauges.LINES_DROPPED, gauges.CUT, gauges.RESTARTS, gauges.LOST]
    assert counters == list(range(5))
