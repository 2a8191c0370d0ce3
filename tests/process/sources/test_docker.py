from pylb.config import Options
from pylb.config.parse import parse
from pylb.process.sources.docker import engine_settings


def test_it_is_reached_as_the_options_say():
    arguments = ["--docker", "--docker-host", "tcp://10.0.0.1:2375", "--service", "web"]
    settings = engine_settings(parse(Options, arguments, {}))
    assert (settings.url, settings.certificates) == ("tcp://10.0.0.1:2375", None)
