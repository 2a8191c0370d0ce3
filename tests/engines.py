"""Fixtures that give a test a Docker engine: a scripted one."""

import pytest

from tests.clients.scripted_engine import ScriptedEngine


@pytest.fixture
async def engine(tmp_path):
    scripted = ScriptedEngine(tmp_path / "docker.sock")
    await scripted.start()
    yield scripted
    await scripted.stop()
