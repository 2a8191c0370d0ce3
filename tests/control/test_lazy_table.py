import asyncio

from pylb.control.lazy_table import STEPS, LazyTable
from pylb.routes.declaration import ServiceDeclaration
from pylb.routes.grammar import parse_route


def declared(service, *paths):
    return ServiceDeclaration(service, tuple(parse_route(service, path) for path in paths))


class Declared:
    """Declarations in force, and their table."""

    def __init__(self):
        self.services = {}
        self.lazy = LazyTable(self.services)

    def put(self, service, *paths):
        before = self.services.pop(service, None)
        if paths:
            self.services[service] = declared(service, *paths)
        self.lazy.on_change(service, before)

    @property
    def paths(self):
        return {route.match.path for route in self.lazy.table.routes}


def test_the_table_has_the_present_declarations():
    made = Declared()
    assert made.paths == set()
    made.put("web", "/a")
    made.put("web", "/b", "/c")
    assert made.paths == {"/b", "/c"}
    kept = made.lazy.table
    assert made.lazy.table is kept
    made.put("web")
    made.put("api", "/d")
    assert made.paths == {"/d"}


async def test_a_large_change_is_compiled_in_slices_and_may_be_read_and_changed_meanwhile():
    made = Declared()
    for number in range(STEPS * 3):
        made.put(f"web-{number}", f"/{number}")
    compiling = asyncio.get_running_loop().create_task(made.lazy.compile())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not compiling.done()
    made.put("web-0", "/new")
    made.put("web-1")
    expected = {"/new", *(f"/{number}" for number in range(2, STEPS * 3))}
    assert made.paths == expected
    await compiling
    assert made.paths == expected
