import pytest

from tests.components import compose_plugin
from tests.docker import images
from tests.docker.compose import Stack
from tests.docker.engine import DockerEngine


@pytest.fixture(scope="session")
def own_engine():
    """A running engine with all images, pylb's own made by the Dockerfile; containers outlive its restart."""
    engine = DockerEngine()
    engine.start(**{"live-restore": True})
    plugins = engine.directory / "cli-plugins"
    plugins.mkdir()
    (plugins / "docker-compose").symlink_to(compose_plugin())
    images.import_small(engine)
    images.import_consul(engine)
    images.import_python(engine)
    Stack(engine).compose("build")
    yield engine
    engine.stop()
