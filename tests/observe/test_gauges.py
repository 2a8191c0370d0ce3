from pylb.observe import gauges


def test_gauges_and_counters_have_separate_indices():
    of_backends = [gauges.IN_FLIGHT, gauges.IDLE, gauges.STATE, gauges.FAILURES, gauges.UNTIL]
    of_backends += [gauges.WITHHELD, gauges.HTTP2_CONNECTIONS, gauges.HTTP2_REQUESTS]
    assert of_backends == list(range(len(of_backends)))
    internal = [gauges.SLOTS, gauges.SERVES, gauges.CRASHED, gauges.HEARTBEAT]
    of_processes = [*(each.index for each in gauges.PROCESS_GAUGES), *internal]
    assert of_processes == list(range(len(of_processes)))
    assert max(len(of_backends), len(of_processes)) == gauges.GAUGES
    counters = [*(each.index for each in gauges.COUNTERS), gauges.HUNG]
    assert counters == list(range(len(counters)))


def test_an_exported_gauge_is_declared_once():
    declared = {each.name: each.index for each in gauges.PROCESS_GAUGES}
    assert declared["client_connections"] == gauges.CLIENTS
