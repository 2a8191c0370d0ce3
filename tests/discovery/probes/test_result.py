from pylb.discovery.probes.result import Result


def test_a_success_needs_no_reason():
    assert Result(well=True) == Result(True, "", unreachable=False)
