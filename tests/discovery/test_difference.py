from dataclasses import replace

from pylb.discovery.difference import CAUSES, difference, new_problems, removals
from pylb.discovery.sources.consul.health import parse_instances
from pylb.model import Endpoint, Snapshot
from tests.discovery.snapshots import endpoint, snapshot
from tests.every import every

SERF = {"CheckID": "serfHealth", "Name": "Serf Health Status", "Status": "critical", "Output": "left"}
OWN = {"CheckID": "web", "ServiceID": "1", "Name": "web check", "Status": "critical", "Output": "refused"}
WARNS = {**OWN, "Status": "warning", "Output": "slow"}
MAINTENANCE = {"CheckID": "_service_maintenance:1", "ServiceID": "1", "Status": "critical", "Notes": "deploy"}
OF_NODE = {"CheckID": "_node_maintenance", "Status": "critical", "Notes": "kernel"}


def read(*checks, ids=("1",), port=80):
    """Consul's answer with these instances, all of which have these checks."""
    items = [
        {
            "Node": {"Node": "n", "Address": "10.0.0.1"},
            "Service": {"ID": name, "Port": port, "CreateIndex": int(name)},
            "Checks": list(checks),
        }
        for name in ids
    ]
    return Snapshot("web", *parse_instances("web", items))


@every(
    ("after", "cause", "why"),
    [
        (read(ids=()), "deregistered", "deregistered"),
        (read(OWN), "critical", "critical: web check: refused"),
        (read(WARNS), "warning", "warning: web check: slow"),
        (read(SERF), "node", "critical: Serf Health Status: left"),
        (read(OWN, MAINTENANCE), "maintenance", "maintenance: deploy"),
        (read(OF_NODE), "maintenance", "maintenance: kernel"),
        (read(ids=("1", "2")), "duplicate", "duplicate of 2 at 10.0.0.1:80"),
        (read(port=-1), "invalid", "invalid: expected a port from 1 to 65535, got -1"),
        (read(port=81), "moved", "moved to 10.0.0.1:81"),
    ],
)
def test_each_removal_has_its_cause(after, cause, why):
    (gone,) = removals(read(), after)
    assert (gone.endpoint.id, gone.cause, gone.reason) == ("1", cause, why)
    assert cause in CAUSES


def test_unchanged_and_changed_backends_are_not_removals():
    before = snapshot(1, 2)
    after = Snapshot("web", (replace(endpoint(1), weight=7), endpoint(2), endpoint(3)))
    assert removals(before, after) == []
    assert removals(None, after) == []


def test_a_difference_as_text():
    old, new = snapshot(1, 2), Snapshot("web", (endpoint(2, weight=5), endpoint(3)))
    assert difference(old, new) == "+web-3 ~web-2 -web-1"
    assert difference(None, snapshot()) == "no routable instance"
    assert difference(old, old) == "no change to routable instances"
    many = Snapshot("web", tuple(Endpoint("web", "a", n, id=str(n)) for n in range(1, 100)))
    assert difference(None, many).endswith("+9 +10 and 89 more")


def test_a_problem_is_new_once():
    well, odd = endpoint(1), endpoint(2, problems=("lb_weight: expected a number",))
    first, second = Snapshot("web", (well, odd)), Snapshot("web", (well, odd))
    assert new_problems(None, first) == [odd]
    assert new_problems(first, second) == []
    changed = replace(odd, problems=("lb_probe: expected a path",))
    assert new_problems(first, Snapshot("web", (changed,))) == [changed]
