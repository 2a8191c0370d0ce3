import uvloop


def pytest_asyncio_loop_factories():
    """Every test here runs on uvloop, as pylb does."""
    return {"uvloop": uvloop.new_event_loop}
