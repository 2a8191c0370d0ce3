"""The programs that people use, before a data plane on the loop that it runs on."""

import pytest
import uvloop

from tests.components import client_programs


def pytest_asyncio_loop_factories():
    """Run every test of this folder on uvloop."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture(scope="session", autouse=True)
def programs():
    """curl and node are there."""
    return client_programs()
