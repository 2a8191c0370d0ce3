import inspect

import pytest

from pylb.discovery.provider import Provider
from pylb.discovery.sources.consul.feed import ConsulFeed
from pylb.discovery.sources.consul.provider import ConsulProvider
from pylb.discovery.sources.static import StaticProvider
from pylb.discovery.status import DiscoveryStatus
from tests.registries import consul_at

PROVIDERS: list[Provider] = [
    ConsulProvider(ConsulFeed(consul_at()), "web", status=DiscoveryStatus("web")),
    StaticProvider("web", ()),
]


@pytest.mark.parametrize("provider", PROVIDERS, ids=lambda provider: type(provider).__name__)
def test_every_provider_is_one_generator_without_arguments(provider):
    assert inspect.isasyncgenfunction(provider.watch)
    assert not inspect.signature(provider.watch).parameters
