from pylb.assembly.sources.consul import consul_settings
from pylb.config import Options
from pylb.config.parse import parse


def test_it_is_reached_as_the_options_say():
    arguments = ["--consul", "consul:8500", "--service", "web", "--datacenter", "paris", "--token", "secret"]
    settings = consul_settings(parse(Options, arguments, {}))
    assert (settings.url, settings.datacenter, settings.token) == ("http://consul:8500", "paris", "secret")
    assert settings.verify
