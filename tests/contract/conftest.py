"""The embedded registry and a real Consul, which must behave alike."""

import aiohttp
import pytest

from pylb.registry.embedded import DevRegistry
from tests.contract.api import Api


@pytest.fixture
async def session():
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:
        yield session


@pytest.fixture
async def devserver(session):
    """The embedded registry."""
    registry = DevRegistry()
    yield Api(await registry.start(), session)
    await registry.stop()


@pytest.fixture
async def real(consul, session):
    """A real Consul, which the tests of this process share."""
    api = Api(consul.http, session)
    yield api
    await api.clean()


@pytest.fixture(params=["devserver", pytest.param("real", marks=pytest.mark.slow)])
def api(request):
    """Each registry in turn; the inner loop has the embedded one alone."""
    return request.getfixturevalue(request.param)
