"""The data plane is tested on the loop that it runs on."""

import uvloop


def pytest_asyncio_loop_factories():
    """Every test here runs on uvloop."""
    return {"uvloop": uvloop.new_event_loop}
