"""The data plane is tested on the loop that it runs on."""

import pytest
import uvloop


@pytest.fixture
def event_loop_policy():
    return uvloop.EventLoopPolicy()
