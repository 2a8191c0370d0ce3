from pylb.errors import Fault, Phase, ProxyError
from pylb.observe.record import Record

CUT = ProxyError(Phase.DATA, Fault.UPSTREAM, "the response ended early")


def test_an_error_gives_the_status_the_code_and_the_detail():
    record = Record("192.0.2.7", 100.0)
    assert record.termination == "--"
    record.ended(CUT)
    assert (record.status, record.termination, record.detail) == (502, "SD", "the response ended early")


def test_a_status_sent_to_the_client_is_kept():
    record = Record("192.0.2.7", 100.0)
    record.status = 200
    record.ended(CUT)
    assert (record.status, record.termination) == (200, "SD")
