import pytest
from orjson import loads

from pylb.config import Options
from pylb.control.plane import ControlPlane
from pylb.ipc.control_server import ControlServer
from pylb.ipc.control_socket import control_socket
from pylb.ipc.routing_update import RoutingUpdate
from pylb.ipc.state_file import StateFile
from pylb.observe.counters import Counters
from pylb.observe.shared_counters import SharedCounters
from pylb.runtime.lifecycle import TaskScope
from tests.until import until


@pytest.fixture
def make(tmp_path):
    """Makes a control plane of static backends and a file of routes, which continues from a state."""
    path = tmp_path / "routes.toml"
    path.write_text('[services.api]\nroutes = ["/api"]\nbackends = "10.0.0.2:80"\n')
    sockets = []

    def plane(state=None, changed=lambda: None):
        sockets.extend(pair := control_socket())
        counters = Counters(SharedCounters(), lambda: 0.0, state.counters if state else None)
        options = Options(static="10.0.0.1:80", service=("web",), routes=(str(path),))
        return ControlPlane(
            options, counters, ControlServer(pair[0]), state, predecessor=(), changed=changed
        ), counters  # fmt: skip

    yield plane
    for each in sockets:
        each.close()


async def test_services_and_their_states_are_sent_to_the_workers_and_continued_by_the_next_control(make):
    changes = []
    plane, counters = make(changed=lambda: changes.append(1))
    server = plane.control_server
    assert RoutingUpdate.from_dict(loads(server.routing())).changed.keys() == {"web", "api"}
    async with TaskScope("test") as scope:
        plane.start(scope, responded=False)
        await until(lambda: plane.aggregate.applied("api") and plane.aggregate.applied("web"))
    assert changes
    file = StateFile.create()
    file.write(server.updates, counters.remember(), plane.control.remember(), server.routing())
    again, _ = make(file.read())
    assert again.aggregate.applied("api").endpoints[0].authority == "10.0.0.2:80"
    assert again.control_server.updates.keys() == {"", "web", "api"}
    assert again.control_server.routing() == server.routing()
