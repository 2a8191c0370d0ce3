import inspect

import pytest

from pylb.clients.consul import ConsulSettings
from pylb.discovery.consul import ConsulProvider
from pylb.discovery.consul_feed import ConsulFeed
from pylb.discovery.provider import Provider
from pylb.discovery.static import StaticProvider
from pylb.discovery.status import WatchStatus

PROVIDERS: list[Provider] = [
    ConsulProvider(ConsulFeed(ConsulSettings()), "web", status=WatchStatus("web")),
    StaticProvider("web", ()),
]


@pytest.mark.parametrize("provider", PROVIDERS, ids=lambda provider: type(provider).__name__)
def test_every_provider_is_one_generator_without_arguments(provider):
    assert inspect.isasyncgenfunction(provider.watch)
    assert not inspect.signature(provider.watch).parameters
