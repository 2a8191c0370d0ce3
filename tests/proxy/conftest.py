"""Fixtures: uvloop, and a faster sweep."""

import pytest
import uvloop

from pylb.proxy import sweep


def pytest_asyncio_loop_factories():
    """Run every test of this folder on uvloop."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture(autouse=True)
def frequent_sweeps(monkeypatch):
    """Deadlines are checked 50 times a second instead of four, so that tests wait less for them."""
    monkeypatch.setattr(sweep, "PERIOD", 0.02)
