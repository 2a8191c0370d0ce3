import os

import pytest


@pytest.fixture(autouse=True)
def cores():
    """A bench keeps its own process off the proxy's core; the tests that come after it have all of them."""
    usable = os.sched_getaffinity(0)
    yield
    os.sched_setaffinity(0, usable)
