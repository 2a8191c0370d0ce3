import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pylb.containers.container import Container, Network
from pylb.containers.port import Binding, Port
from pylb.discovery.sources.docker import read_container
from pylb.registry.place import Rules
from pylb.registry.registrations import desired
from tests.containers.inspected import container, inspected
from tests.every import every


def test_a_container_has_id_name_and_labels():
    made = container("web-1", id="a" * 64, image="shop/web:1.2", stop_signal="SIGQUIT")
    assert (made.name, made.short_id, made.image, made.stop_signal) == (
        "web-1",
        "a" * 12,
        "shop/web:1.2",
        "SIGQUIT",
    )


@pytest.mark.parametrize(
    ("settings", "ports"),
    [
        ({"exposed": ["80/tcp"]}, (Port(80),)),
        (
            {"exposed": ["80"], "published": {"80/tcp": [("", 8080)]}},
            (Port(80, "tcp", (Binding("", 8080),)),),
        ),
        ({"exposed": [], "published": {"81/tcp": [("", 81)]}}, (Port(81, "tcp", (Binding("", 81),)),)),
        ({"mode": "host", "networks": {"host": ""}}, (Port(80, "tcp", (Binding("", 80),)),)),
        ({"exposed": []}, ()),
    ],
)
def test_ports_are_decoded(settings, ports):
    assert container(**settings).ports == ports


@every("key", ["33060-33061/tcp", "/tcp", "0/tcp", "9" * 5000, "70000/tcp", "٣/tcp"])
def test_an_invalid_port_is_skipped(key):
    made = container(exposed=["80/tcp", key])
    assert made.ports == (Port(80),)
    (problem,) = made.problems
    assert problem.startswith(f"its port {key[:40]!r} is skipped: got ")


@pytest.mark.parametrize(
    ("state", "running", "paused"),
    [
        ({"Running": True}, True, False),
        ({"Running": True, "Paused": True}, True, True),
        ({"Running": True, "Restarting": True}, False, False),
        ({"Running": False}, False, False),
    ],
)
def test_the_state_decides_whether_a_container_runs(state, running, paused):
    made = Container.from_inspect({**inspected(), "State": state})
    assert (made.running, made.paused) == (running, paused)


@pytest.mark.parametrize(
    ("labels", "project", "one_off"),
    [
        ({}, "", False),
        ({"com.docker.compose.project": "shop", "com.docker.compose.oneoff": "False"}, "shop", False),
        ({"com.docker.compose.project": "shop", "com.docker.compose.oneoff": "True"}, "shop", True),
    ],
)
def test_compose_labels(labels, project, one_off):
    made = container(labels=labels)
    assert (made.project, made.one_off) == (project, one_off)


def test_networks_are_sorted_with_the_default_first_and_ingress_last():
    made = container(
        networks={"z": "10.0.0.3", "ingress": "10.0.0.9", "bridge": "172.17.0.2", "a": "10.0.0.1"}
    )
    assert [network.name for network in made.networks] == ["bridge", "a", "z", "ingress"]


@pytest.mark.parametrize(
    ("network", "address"), [("", "10.0.0.1"), ("z", "10.0.0.3"), ("other", ""), ("empty", "")]
)
def test_the_address_on_a_network(network, address):
    made = container(networks={"z": "10.0.0.3", "a": "10.0.0.1", "empty": ""})
    assert made.address(network) == address


def test_an_ipv6_address_is_used_if_there_is_no_other():
    data = inspected()
    data["NetworkSettings"]["Networks"] = {"six": {"IPAddress": "", "GlobalIPv6Address": "fd00::2"}}
    assert Container.from_inspect(data).networks == (Network("six", "fd00::2"),)


@pytest.mark.parametrize(("health", "read"), [("healthy", "healthy"), ("none", ""), (None, "")])
def test_the_health_status_is_decoded(health, read):
    assert container(health=health, output="ok\n").health == read


def test_the_output_of_the_last_check():
    assert container(health="unhealthy", output="refused\n").health_output == "refused"


def test_a_container_in_the_network_of_another_has_its_address_and_ports():
    other = container("pod", published={"80/tcp": [("", 8080)]}, exposed=["80/tcp", "81/tcp"])
    made = container("app", mode=f"container:{other.id}", networks={}, exposed=["80/tcp"])
    assert made.joined == other.id
    joined = made.sharing_network_of(other)
    assert joined.address() == "172.17.0.2"
    assert joined.ports == (Port(80, "tcp", (Binding("", 8080),)),)


def test_an_invalid_container_is_rejected_with_a_message():
    with pytest.raises(ValueError, match="description of a container"):
        Container.from_inspect({"Id": "x"})


garbage = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=8)
    | st.sampled_from(["80/tcp", "9" * 30, "-1"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(st.data())
def test_any_answer_is_decoded_or_rejected_with_a_message(data):
    described = inspected(published={"80/tcp": [("0.0.0.0", 8080)]}, env={"SERVICE_NAME": "web"})
    parts = [described]
    while isinstance(parts[-1], dict) and parts[-1] and data.draw(st.booleans()):
        parts.append(parts[-1][data.draw(st.sampled_from(sorted(parts[-1])))])
    holder = next(part for part in reversed(parts) if isinstance(part, dict) and part)
    holder[data.draw(st.sampled_from(sorted(holder)))] = data.draw(garbage)
    try:
        made = Container.from_inspect(described)
    except ValueError:
        return
    assert read_container("web", made) is None or read_container("web", made)[0].port >= 0
    found = desired([made], Rules(owner="engine", hostname="host", host_address="10.0.0.1"))
    assert orjson.dumps([each.payload() for each in found.registrations.values()])
