"""The data plane is tested on the loop that it runs on."""

import pytest
import uvloop

from pylb.proxy import sweep


def pytest_asyncio_loop_factories():
    """Every test here runs on uvloop."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture(autouse=True)
def frequent_sweeps(monkeypatch):
    """Deadlines are checked ten times a second instead of four, so that tests wait less for them."""
    monkeypatch.setattr(sweep, "PERIOD", 0.1)
