import pytest

from tests.docker.engine import DockerEngine


@pytest.fixture(scope="session")
def own_engine():
    engine = DockerEngine()
    engine.start()
    engine.import_image()
    yield engine
    engine.stop()


@pytest.fixture
def machine(own_engine):
    """A running engine with an empty network `recipe`, and nothing else after the test."""
    own_engine.docker("network", "create", "recipe")
    yield own_engine
    if containers := own_engine.docker("ps", "--all", "--quiet").split():
        own_engine.docker("rm", "--force", *containers)
    own_engine.docker("network", "rm", "recipe")
