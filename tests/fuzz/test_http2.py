import pytest

from tests.fuzz import http2


@pytest.mark.slow
def test_a_short_run_breaks_no_invariant_and_has_many_results():
    lines = []
    assert http2.by_mutation(4_000, 1, lines.append)
    ends = int(lines[-1].partition(" different ends")[0].rpartition(" ")[2])
    assert lines[-1].startswith("4,000 executions")
    assert ends > 30


def test_a_broken_invariant_is_printed_with_its_blocks(monkeypatch):
    def breaks(blocks, choices):
        assert len(blocks) < 3
        return set()

    monkeypatch.setattr(http2, "check", breaks)
    lines = []
    assert not http2.by_mutation(1_000, 1, lines.append)
    assert "AssertionError" in lines[-1]
    assert "choices [" in lines[-1]
