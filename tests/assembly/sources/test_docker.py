from pylb.assembly.sources.docker import Source
from pylb.config import Options
from pylb.config.parse import parse
from pylb.discovery.status import DiscoveryStatus


def test_the_provider_has_the_options():
    arguments = ["--docker", "--docker-host", "tcp://10.0.0.1:2375", "--service", "web"]
    arguments += ["--project", "shop", "--network", "front", "--tag", "blue"]
    made = Source(parse(Options, arguments, {})).provider("web", DiscoveryStatus("web"))
    assert (made.project, made.network, made.tags) == ("shop", "front", {"blue"})
    assert str(made.settings.docker_host) == "tcp://10.0.0.1:2375"
