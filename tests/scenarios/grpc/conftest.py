"""gRPC's programs before a data plane on the loop that it runs on."""

import uvloop


def pytest_asyncio_loop_factories():
    """Run every test of this folder on uvloop."""
    return {"uvloop": uvloop.new_event_loop}
