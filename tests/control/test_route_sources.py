import asyncio
from dataclasses import replace

import pytest

from pylb.config import Options
from pylb.control.route_sources import RouteSources, joined, part_of
from pylb.control.routing import Routing
from pylb.routes.declaration import Declarations
from pylb.routes.grammar import parse_route
from pylb.routes.route import Problem
from pylb.runtime.lifecycle import TaskScope
from tests.control.test_routing import Services, declared
from tests.until import until


@pytest.fixture
def path(tmp_path):
    made = tmp_path / "routes.toml"
    made.write_text('[services.web]\nroutes = ["/a"]\n')
    return made


@pytest.fixture
async def routing():
    return Routing(Options(static="10.0.0.1:80"), Services())


def sources(routing, *paths):
    options = Options(static="10.0.0.1:80", routes=tuple(map(str, paths)))
    return RouteSources(options, routing, None)


async def test_files_are_declared_at_once_and_followed(routing, path):
    made = sources(routing, path)
    assert not made.slow
    assert [*routing.declarations] == ["web"]
    async with TaskScope("test") as scope:
        made.start(scope)
        await made.first_result(responded=False)
        path.write_text('[services.api]\nroutes = ["/b"]\npolicy = "random"\n')
        await until(lambda: [*routing.declarations] == ["api"])
    assert routing.options("api").policy == "random"


async def test_the_settings_of_a_file_are_checked(routing, path, caplog):
    made = sources(routing, path)
    path.write_text('[services.web]\npolicy = "none"\n')
    async with TaskScope("test") as scope:
        made.start(scope)
        await until(lambda: routing.problems)
        path.write_text('[services.web]\npolicy = "none"\n# the same\n')
        await until(lambda: not made._files[0].changed())
    assert "line 2: policy: got 'none'" in routing.problems[0].text
    (record,) = caplog.records
    assert record.getMessage().endswith("; 1 services are served as declared")
    assert [*routing.declarations] == ["web"]


def test_the_first_declaration_of_a_service_counts():
    first = Declarations((declared("web", "/a"),), (Problem("one"),))
    second = Declarations((declared("web", "/b"), declared("api", "/c")))
    both = joined([first, second])
    assert [(each.service, each.routes[0].match.path) for each in both.services] == [
        ("web", "/a"),
        ("api", "/c"),
    ]
    assert [each.text for each in both.problems] == [
        "one",
        "'web' is declared twice, expected it once; the first one counts",
    ]


class Keys:
    """Keys in Consul that respond once, and then fail."""

    prefix = "pylb/"

    def __init__(self):
        self.failures = asyncio.Queue()

    async def watch(self):
        yield Declarations((declared("web", "/"),))
        raise OSError(await self.failures.get())


async def test_keys_that_cannot_be_read_keep_what_they_declared(routing):
    made = sources(routing)
    made._keys = [keys] = [Keys()]
    made._tried, made._responded = {keys: asyncio.Event()}, {keys: asyncio.Event()}
    async with TaskScope("test") as scope:
        made.start(scope)
        await made.first_result(responded=False)
        keys.failures.put_nowait("the disk is on fire")
        await until(lambda: routing.problems)
        assert routing.problems[0].text == "consul:pylb/ cannot be read: the disk is on fire"
        assert [*routing.declarations] == ["web"]
        await until(lambda: not routing.problems)


async def test_a_new_process_continues_with_what_a_broken_file_had_declared(routing, path):
    made = sources(routing, path)
    published = [*routing.declarations.values()]
    path.write_text("[services.web\n")
    made = Routing(Options(static="10.0.0.1:80"), Services())
    options = Options(static="10.0.0.1:80", routes=(str(path),))
    RouteSources(options, made, None, [*published, declared("other", "/other")])
    assert [*made.declarations] == ["web"], "and nothing of other sources"
    assert "line 1" in made.problems[0].text


def test_a_source_has_its_part_of_what_was_published(path):
    web = replace(
        declared("web"),
        routes=(
            parse_route("web", "/a", "/etc/a.toml, line 2"),
            parse_route("web", "/b", "consul:pylb/web, line 1"),
        ),
    )
    both = [web, declared("api", "/api")]
    assert [route.match.path for each in part_of(both, "/etc/a.toml, line ") for route in each.routes] == [
        "/a"
    ]
    assert [route.match.path for each in part_of(both, "consul:pylb/") for route in each.routes] == ["/b"]


async def test_another_pylb_is_replaced_only_after_a_response(routing):
    made = sources(routing)
    made._keys = [keys] = [Keys()]
    made._tried, made._responded = {keys: asyncio.Event()}, {keys: asyncio.Event()}
    made._tried[keys].set()
    await made.first_result(responded=False)
    waiting = asyncio.get_running_loop().create_task(made.first_result(responded=True))
    await asyncio.sleep(0)
    assert not waiting.done()
    made._responded[keys].set()
    await waiting
