from dataclasses import replace

from pylb.model import Endpoint
from pylb.routes.agreement import agree


def instance(number, says, status="passing", created=0):
    return Endpoint("web", "10.0.0.1", 80, id=f"web-{number}", tags=(says,), status=status, created=created)


def says(endpoint):
    return endpoint.tags[0]


def test_the_majority_decides_and_the_others_are_named():
    instances = [instance(1, "a"), instance(2, "b"), instance(3, "b")]
    assert agree(instances, says) == ("b", (instances[0],))


def test_only_healthy_instances_count():
    instances = [instance(1, "a"), instance(2, "b", "critical"), instance(3, "b", "critical")]
    assert agree(instances, says) == ("a", tuple(instances[1:]))
    sick = [replace(each, status="critical") for each in instances]
    assert agree(sick, says)[0] == "b"


def test_of_a_tie_the_oldest_instance_decides():
    instances = [instance(1, "a", created=7), instance(2, "b", created=3)]
    assert agree(instances, says)[0] == agree(instances[::-1], says)[0] == "b"


def test_one_instance_and_none():
    assert agree([instance(1, "a")], says) == ("a", ())
    assert agree([], says) == (None, ())
