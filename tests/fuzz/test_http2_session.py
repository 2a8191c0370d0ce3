import pytest

from pylb.http2.sender import Sender
from tests.fuzz import http2_session


@pytest.mark.slow
def test_a_short_run_breaks_no_invariant_and_finds_many_ends():
    lines = []
    assert http2_session.by_mutation(1_000, 1, lines.append)
    ends = int(lines[-1].partition(" different ends")[0].rpartition(" ")[2])
    assert lines[-1].startswith("1,000 executions")
    assert ends > 40


@pytest.mark.parametrize("defect", ["_closed", "_end"])
def test_a_broken_invariant_is_printed_with_its_seed(defect, monkeypatch):
    monkeypatch.setattr(Sender, defect, lambda *_: None)
    lines = []
    assert not http2_session.by_mutation(1_000, 1, lines.append)
    assert "seed 1000000" in lines[-1]
