import pytest

from tests.fuzz import http1


@pytest.mark.slow
def test_a_short_run_breaks_no_invariant_and_finds_new_results():
    lines = []
    assert http1.by_mutation(20_000, 1, lines.append)
    known = {
        (kind, http1.check(kind, message, 0))
        for kind in http1.KINDS
        for verdict in ("valid", "invalid")
        for message in http1.seeds(kind, verdict)
    }
    ends = int(lines[-1].partition(" different ends")[0].rpartition(" ")[2])
    assert lines[-1].startswith("20,000 executions")
    assert ends > len(known)


def test_a_broken_invariant_is_printed_as_a_test_case(monkeypatch):
    def breaks(data, cut, **_):
        assert b"Host" not in data or cut < 50

    monkeypatch.setattr(http1, "check_request", breaks)
    lines = []
    assert not http1.by_mutation(1_000, 1, lines.append)
    assert "AssertionError" in lines[-1]
    assert "requests, cut at" in lines[-1]
