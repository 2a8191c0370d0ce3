from pylb.observe import gauges


def test_gauges_and_counters_have_separate_indices():
    of_backends = [gauges.IN_FLIGHT, gauges.IDLE, gauges.STATE, gauges.FAILURES, gauges.UNTIL]
    of_backends.append(gauges.WITHHELD)
    assert of_backends == list(range(gauges.GAUGES))
    assert gauges.CLIENTS != gauges.SLOTS
    counters = [gauges.LINES_DROPPED, gauges.CUT, gauges.RESTARTS, gauges.LOST]
    assert counters == list(range(4))
