"""A running registry, asked over HTTP."""

import aiohttp
import pytest

from pylb.registry.embedded import DevRegistry


@pytest.fixture
async def session():
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
async def url():
    registry = DevRegistry()
    yield f"http://{await registry.start()}"
    await registry.stop()
