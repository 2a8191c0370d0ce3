import pytest

from tests.clients.scripted_consul import ScriptedConsul


@pytest.fixture
async def scripted():
    server = ScriptedConsul()
    await server.start()
    yield server
    await server.stop()
