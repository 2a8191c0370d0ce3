"""What is derived from phase and fault: the status, and the two letters of the log."""

from pylb.errors import Fault, Phase, ProxyError
from tests.every import every


@every(
    ("fault", "phase", "status", "code"),
    [
        (Fault.POLICY, Phase.REQUEST, 400, "PR"),
        (Fault.CLIENT_TIMEOUT, Phase.REQUEST, 408, "cR"),
        (Fault.CLIENT, Phase.DATA, 499, "CD"),
        (Fault.DOWN, Phase.QUEUE, 503, "DQ"),
        (Fault.UPSTREAM, Phase.CONNECT, 503, "SC"),
        (Fault.UPSTREAM_TIMEOUT, Phase.CONNECT, 504, "sC"),
        (Fault.UPSTREAM, Phase.HEADERS, 502, "SH"),
        (Fault.UPSTREAM_TIMEOUT, Phase.HEADERS, 504, "sH"),
        (Fault.RESOURCE, Phase.QUEUE, 503, "RQ"),
        (Fault.INTERNAL, Phase.HEADERS, 500, "IH"),
    ],
)
def test_status_and_letters(fault, phase, status, code):
    error = ProxyError(phase, fault, "why")
    assert (error.status, error.code, str(error)) == (status, code, "why")
    assert repr(error) == f"<ProxyError {code} {status} 'why'>"


@every("fault", Fault)
@every("phase", Phase)
def test_each_pair_has_a_status_of_an_error(fault, phase):
    assert 400 <= ProxyError(phase, fault, "").status <= 599


def test_an_explicit_status_takes_precedence_over_the_derived_one():
    assert ProxyError(Phase.REQUEST, Fault.POLICY, "too long", status=414).status == 414


def test_letters_are_unique():
    assert len({fault.value for fault in Fault}) == len(Fault)
    assert len({phase.value for phase in Phase}) == len(Phase)
