import sys

import pytest

from tests.admin.conftest import app, clock, counters, know, operator, pools, view  # noqa: F401


@pytest.fixture
async def pylb(app, aiohttp_server):  # noqa: F811
    """Where a pylb's admin port is."""
    server = await aiohttp_server(app.web)
    return f"127.0.0.1:{server.port}"


@pytest.fixture
def command(monkeypatch):
    """Runs a command as typed, beside the server's loop, in a wide terminal; its exit code."""
    import asyncio

    from pylb import cli

    monkeypatch.setenv("COLUMNS", "200")

    async def run(*arguments):
        return await asyncio.to_thread(cli.main, list(arguments))

    yield run
    sys.stdout.flush()
