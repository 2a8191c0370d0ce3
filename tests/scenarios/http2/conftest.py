"""Programs that send HTTP/2, before a data plane on the loop that it runs on."""

import pytest
import uvloop

from tests.certificates import Authority
from tests.components import http2_programs


def pytest_asyncio_loop_factories():
    """Run every test of this folder on uvloop."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture(scope="session", autouse=True)
def programs():
    """curl, node, nghttp and h2load are there."""
    return http2_programs()


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    """Signs the certificate of the listener."""
    return Authority(tmp_path_factory.mktemp("authority"))
