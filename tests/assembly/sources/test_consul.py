from pylb.assembly.sources.consul import Source
from pylb.config import Options
from pylb.config.parse import parse
from pylb.discovery.status import DiscoveryStatus


def test_the_provider_has_the_options():
    arguments = ["--consul", "consul:8500", "--service", "web", "--datacenter", "paris", "--token", "secret"]
    made = Source(parse(Options, arguments, {})).provider("web", DiscoveryStatus("web"))
    assert (made.settings.datacenter, made.settings.token) == ("paris", "secret")
    assert str(made.settings.consul_url) == "http://consul:8500"
