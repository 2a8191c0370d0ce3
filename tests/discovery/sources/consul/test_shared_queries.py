import asyncio
import contextlib
from dataclasses import dataclass, field

import orjson
import pytest

from pylb.clients.consul_catalog import CatalogAnswer
from pylb.discovery.sources.consul.shared_queries import MAX_FRUITLESS, SharedQueries
from tests.until import until


@dataclass
class Catalog:
    """A catalog whose blocking queries return when the test wants it, and what it had to list."""

    index: int = 5
    instances: dict = field(default_factory=lambda: {"web": 1})
    listed: list = field(default_factory=list)
    blocked: set = field(default_factory=set)
    """Blocking queries that do not return although something has changed."""
    indexes: dict = field(default_factory=dict)

    async def wait(self, query, index):
        await until(lambda: query not in self.blocked and self.index != index, seconds=60)
        return self.index

    async def checks(self, state, index, _):
        return CatalogAnswer(state, list, b"[]", await self.wait(state, index))

    async def services(self, index, wait):
        try:
            async with asyncio.timeout(wait):
                found = await self.wait("services", index)
        except TimeoutError:
            found = index
        return CatalogAnswer("services", dict, b"{}", found)

    async def nodes(self):
        return [{"Node": "n1"}]

    async def node_checks(self, node):
        self.listed.append("checks")
        found = [
            {"Node": node, "CheckID": f"{name}-{n}", "ServiceName": name, "CreateIndex": 1}
            for name, count in self.instances.items()
            for n in range(count)
        ]
        return CatalogAnswer("checks", list, orjson.dumps(found), self.index)

    async def node_instances(self, node):
        self.listed.append("instances")
        return CatalogAnswer("instances", dict, b"null", self.index)


@pytest.fixture
async def catalog():
    return Catalog()


@pytest.fixture
async def changed(catalog):
    """Runs the queries; the names of services that have changed."""
    names, settled = [], asyncio.Event()
    queries = SharedQueries(catalog, names.extend, lambda _: None, settled.set)
    task = asyncio.get_running_loop().create_task(queries.run())
    await settled.wait()
    names.clear()
    catalog.listed.clear()
    yield names
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def test_a_new_instance_is_found_before_the_query_of_services_returns(catalog, changed):
    catalog.blocked.add("services")
    catalog.instances["web"] += 1
    catalog.index += 1
    await until(lambda: changed == ["web"])
    assert catalog.listed == ["checks"]
    catalog.blocked.clear()
    catalog.index += 1
    catalog.instances["api"] = 1
    await until(lambda: changed == ["web", "api"])


async def test_a_list_that_includes_the_change_is_not_repeated(catalog, changed):
    catalog.blocked.add("services")
    catalog.instances["web"] += 1
    catalog.index += 1
    await until(lambda: changed)
    catalog.blocked.clear()
    end = asyncio.get_running_loop().time() + 0.1
    await until(lambda: asyncio.get_running_loop().time() > end)
    assert catalog.listed == ["checks"]


async def test_hints_without_a_change_are_followed_a_few_times_only(catalog, changed):
    catalog.blocked.add("services")
    loop = asyncio.get_running_loop()
    end = loop.time() + 0.4
    while loop.time() < end:
        catalog.index += 1
        await asyncio.sleep(0.005)
    assert catalog.listed == ["checks"] * (MAX_FRUITLESS + 1)


async def test_an_index_that_decreases_makes_a_new_list(catalog, changed):
    catalog.index, catalog.instances = 2, {"api": 1}
    await until(lambda: {"web", "api"} <= set(changed))
