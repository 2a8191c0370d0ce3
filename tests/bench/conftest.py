import os

import pytest


@pytest.fixture(autouse=True)
def cores():
    """Restores the CPU cores of this process, which a benchmark restricts to those of the load."""
    usable = os.sched_getaffinity(0)
    yield
    os.sched_setaffinity(0, usable)
