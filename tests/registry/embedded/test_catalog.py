"""What a blocking query relies on: nothing changes in an answer unless its index grows."""

from hypothesis import given
from hypothesis import strategies as st

from pylb.registry.embedded.blocking import Changes
from pylb.registry.embedded.catalog import Catalog, Check, Node
from pylb.registry.embedded.definitions import STATUSES, Service

NODE = Node("id", "node", "127.0.0.1", "dc1")
NAMES = ("web", "Web", "db", "never")
IDS = st.sampled_from(["1", "2", "A", "a"])
CHECK_IDS = st.sampled_from(["x", "y"])
NAME_OF = {"1": "web", "2": "Web", "A": "db", "a": "db"}
"""An id stays with its service: one that changes it is the case that Consul's own indexes miss."""
SERVICES = st.builds(
    lambda service_id, port, tags: Service(service_id, NAME_OF[service_id], tags, port=port),
    IDS,
    st.integers(1, 2),
    st.sampled_from([(), ("t",)]),
)
WRITES = st.one_of(
    st.tuples(st.just("register"), SERVICES, st.lists(CHECK_IDS, unique=True)),
    st.tuples(st.just("deregister_service"), IDS),
    st.tuples(st.just("update_check"), CHECK_IDS, st.sampled_from(STATUSES), st.booleans()),
    st.tuples(st.just("deregister_check"), CHECK_IDS),
)


def queries(catalog):
    """Every query's answer, by name."""
    answers = {"services": catalog.services(), "nodes": catalog.nodes(), "checks": catalog.checks()}
    for name in NAMES:
        answers[f"instances {name}"] = catalog.instances(name)
        answers[f"health {name}"] = catalog.health(name)
        answers[f"checks {name}"] = catalog.checks(service=name)
    for status in STATUSES:
        answers[f"checks {status}"] = catalog.checks(state=status)
    return answers


def apply(catalog, write):
    match write:
        case "register", service, check_ids:
            checks = [Check(i + service.id.lower(), i, "passing", service_id=service.id) for i in check_ids]
            catalog.register(service, checks)
        case "update_check", check_id, status, of_node:
            catalog.update_check(
                Check(check_id + ("" if of_node else "1"), "c", status, service_id="" if of_node else "1")
            )
        case verb, identity:
            getattr(catalog, verb)(identity)


@given(st.lists(WRITES, max_size=25))
def test_no_answer_changes_without_a_newer_index(writes):
    catalog = Catalog(NODE, Changes())
    before = queries(catalog)
    for write in writes:
        apply(catalog, write)
        after = queries(catalog)
        for name, answer in after.items():
            assert answer.index >= 1
            if answer.content != before[name].content:
                assert answer.index > before[name].index, (write, name)
        before = after


@given(st.lists(WRITES, max_size=25))
def test_rows_have_the_index_of_their_write(writes):
    changes = Changes()
    catalog = Catalog(NODE, changes)
    for write in writes:
        before, index = catalog.services().content, changes.index
        apply(catalog, write)
        for row in catalog.services().content:
            assert 1 <= row.create_index <= row.modify_index <= changes.index
            assert (row.modify_index > index) == (row not in before)


def catalog_with(*services):
    catalog = Catalog(NODE, Changes())
    for service in services:
        catalog.register(service, ())
    return catalog


def test_before_any_removal_a_missing_service_has_the_index_of_all_tables():
    catalog = catalog_with(Service("1", "web"))
    assert catalog.health("none").index == catalog.services().index
    catalog.update_check(Check("c", "c", "passing"))
    assert catalog.health("none").index == catalog.checks().index


def test_after_a_removal_a_missing_service_has_the_index_of_the_last_removal():
    catalog = catalog_with(Service("1", "web"), Service("2", "db"), Service("3", "db"))
    catalog.deregister_service("1")
    gone = catalog.health("web").index
    catalog.deregister_service("2")
    assert catalog.health("web").index == catalog.health("never").index == gone
    catalog.deregister_service("3")
    assert catalog.health("web").index == catalog.health("db").index > gone


def test_deregistering_an_unknown_id_writes_nothing():
    changes = Changes()
    catalog = Catalog(NODE, changes)
    catalog.deregister_service("none")
    catalog.deregister_check("none")
    assert changes.index == 2
