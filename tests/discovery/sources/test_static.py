import asyncio

import pytest

from pylb.config.fixed_backends import parse_static
from pylb.discovery.sources.static import StaticProvider


async def test_the_provider_yields_once_and_never_ends():
    provider = StaticProvider("web", parse_static("web", "a:80"))
    watching = provider.watch()
    snapshot = await anext(watching)
    assert (snapshot.service, [e.authority for e in snapshot.endpoints]) == ("web", ["a:80"])
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(anext(watching), 0.02)
