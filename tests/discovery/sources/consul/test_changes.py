import json

import orjson
import pytest

from pylb.discovery.sources.consul.changes import Changes
from tests.every import every


def check(service, check_id="c", *, node="n1", created=5, **fields):
    return {"Node": node, "CheckID": check_id, "ServiceName": service, "CreateIndex": created, **fields}


def instances(*services, address="10.0.0.1", changed=5):
    """The document of a node with an instance of each service."""
    found = {f"{name}-1": {"Service": name, "ModifyIndex": changed} for name in services}
    return orjson.dumps({"Node": {"Address": address}, "Services": found})


def test_a_service_whose_check_fails_or_passes_again_has_changed():
    changes = Changes()
    assert changes.unhealthy("critical", [check("web"), check("api", "d")]) == {"web", "api"}
    assert changes.unhealthy("critical", [check("web"), check("api", "d")]) == set()
    assert changes.unhealthy("critical", [check("api", "d")]) == {"web"}


def test_each_state_is_compared_separately():
    changes = Changes()
    changes.unhealthy("critical", [check("web")])
    assert changes.unhealthy("warning", []) == set()
    assert changes.unhealthy("critical", []) == {"web"}


def test_the_output_of_a_check_does_not_count():
    changes = Changes()
    changes.unhealthy("critical", [check("web", Output="timeout")])
    assert changes.unhealthy("critical", [check("web", Output="refused")]) == set()


def test_a_check_of_a_node_affects_all_its_services():
    changes = Changes()
    changes.instances("n1", instances("web", "api"))
    changes.instances("n2", instances("shop"))
    changes.checks("n1", orjson.dumps([check("new")]))
    assert changes.unhealthy("critical", [check("", "serfHealth")]) == {"web", "api", "new"}
    assert changes.unhealthy("critical", []) == {"web", "api", "new"}


def test_invalid_checks_are_skipped():
    assert Changes().unhealthy("critical", [None, "x", check("web")]) == {"web"}


@every(
    ("after", "changed"),
    [
        (instances("web", "api"), set()),
        (instances("web", "api", "shop"), {"shop"}),
        (instances("web"), {"api"}),
        (instances("web", "api", changed=6), {"web", "api"}),
        (instances("web", "api", address="10.0.0.2"), {"web", "api"}),
        (b"null", {"web", "api"}),
    ],
    ids=["nothing", "registered", "deregistered", "changed", "node moved", "node gone"],
)
def test_instances_on_a_node(after, changed):
    changes = Changes()
    assert changes.instances("n1", instances("web", "api")) == {"web", "api"}
    assert changes.instances("n1", after) == changed


def test_an_id_that_moves_affects_both_services():
    changes = Changes()
    before, after = (
        orjson.dumps({"Node": {"Address": ""}, "Services": {"x": {"Service": name, "ModifyIndex": 1}}})
        for name in ("web", "api")
    )
    changes.instances("n1", before)
    assert changes.instances("n1", after) == {"web", "api"}


def test_added_and_removed_checks_of_a_node_are_changes():
    changes = Changes()

    def seen(*checks):
        return changes.checks("n1", orjson.dumps(checks))

    assert seen(check("web", Status="passing"), check("", "serfHealth")) == {"web"}
    assert seen(check("web", Status="critical")) == set()
    assert seen(check("web"), check("api", "d")) == {"api"}
    assert seen(check("web", created=9), check("api", "d")) == {"web"}, "registered anew"
    assert seen() == {"web", "api"}


def test_removed_nodes_are_changes():
    changes = Changes()
    changes.instances("n1", instances("web"))
    changes.instances("n2", instances("api"))
    assert changes.retain(["n1", "n2"]) == set()
    assert changes.retain(["n1"]) == {"api"}
    assert changes.instances("n2", instances("api")) == {"api"}


@pytest.mark.parametrize("style", [{"separators": (",", ":")}, {"indent": 4}], ids=["compact", "indented"])
def test_any_entry_changes_only_its_service(style):
    """Consul's development agents indent their answers."""
    odd = 'a"}, {"Node": "n1", "x"}, "y": {"ID": "}, {'

    def listed(port):
        entry = {"ID": odd, "Service": "web", "Meta": {"Services": odd, "n": "{"}, "Weights": {"Passing": 1}}
        found = {
            "a-1": {**entry, "Service": "a", "ModifyIndex": 1},
            odd: {**entry, "ModifyIndex": 2},
            "z-1": {"ID": "z-1", "Service": "z", "ModifyIndex": port},
        }
        node = {"Node": "n1", "Address": "10.0.0.1", "Meta": {"Services": odd}}
        return json.dumps({"Node": node, "Services": found}, **style).encode()

    def checked(*created):
        checks = [check(f"s{n}", odd, created=index, Output=odd) for n, index in enumerate(created)]
        return json.dumps(checks, **style).encode()

    changes = Changes()
    assert changes.instances("n1", listed(3)) == {"a", "web", "z"}
    assert changes.instances("n1", listed(4)) == {"z"}
    assert changes.checks("n1", checked(1, 2, 3)) == {"s0", "s1", "s2"}
    assert changes.checks("n1", checked(1, 5, 3)) == {"s1"}


@every(
    "document",
    [
        b"",
        b"[]",
        b"{}",
        b'{"Node": null, "Services": {}}',
        b'{"Node": {"Address": ""}, "Services": {"x": 1}}',
        b'{"Node": {"Address": ""}, "Services": {"x": {"ID": "x"}}}',
    ],
)
def test_an_invalid_list_of_instances_is_an_error(document):
    with pytest.raises(ValueError, match="expected"):
        Changes().instances("n1", document)


@pytest.mark.parametrize("document", [b"null", b"[1]", b'[{"ServiceName": "web"}]', b"[{]"])
def test_an_invalid_list_of_checks_is_an_error(document):
    with pytest.raises(ValueError, match=r"expected|object"):
        Changes().checks("n1", document)
