from pylb.assembly.sources.docker import Source, engine_settings
from pylb.config import Options
from pylb.config.parse import parse
from pylb.discovery.status import DiscoveryStatus


def test_it_is_reached_as_the_options_say():
    arguments = ["--docker", "--docker-host", "tcp://10.0.0.1:2375", "--service", "web"]
    settings = engine_settings(parse(Options, arguments, {}))
    assert (settings.url, settings.certificates) == ("tcp://10.0.0.1:2375", None)


def test_what_counts_is_as_the_options_say():
    arguments = ["--docker", "--service", "web", "--project", "shop", "--network", "front", "--tag", "blue"]
    made = Source(parse(Options, arguments, {})).provider("web", DiscoveryStatus("web"))
    assert (made.project, made.network, made.tags) == ("shop", "front", {"blue"})
