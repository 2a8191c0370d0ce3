import pytest

from pylb.containers.container import Container, Network, Port
from tests.containers.inspected import container, inspected


def test_what_identifies_it():
    made = container("web-1", id="a" * 64, image="shop/web:1.2", stop_signal="SIGQUIT")
    assert (made.name, made.short_id, made.image, made.stop_signal) == (
        "web-1",
        "a" * 12,
        "shop/web:1.2",
        "SIGQUIT",
    )


@pytest.mark.parametrize(
    ("said", "ports"),
    [
        ({"exposed": ["80/tcp"]}, (Port(80),)),
        ({"exposed": ["53/udp"]}, (Port(53, "udp"),)),
        ({"exposed": ["80"], "published": {"80/tcp": [("", 8080)]}}, (Port(80, "tcp", "", 8080),)),
        ({"published": {"80/tcp": [("0.0.0.0", 8080), ("::", 8080)]}}, (Port(80, "tcp", "", 8080),)),
        ({"published": {"80/tcp": [("10.0.0.1", 1), ("10.0.0.2", 2)]}}, (Port(80, "tcp", "10.0.0.1", 1),)),
        ({"exposed": [], "published": {"81/tcp": [("", 81)]}}, (Port(81, "tcp", "", 81),)),
        ({"exposed": ["80/tcp"], "mode": "host", "networks": {"host": ""}}, (Port(80, "tcp", "", 80),)),
        ({"exposed": []}, ()),
    ],
)
def test_ports(said, ports):
    assert container(**said).ports == ports


def test_networks_have_an_order_and_the_default_one_comes_first():
    made = container(networks={"z": "10.0.0.3", "bridge": "172.17.0.2", "a": "10.0.0.1"})
    assert [network.name for network in made.networks] == ["bridge", "a", "z"]


@pytest.mark.parametrize(
    ("network", "address"), [("", "10.0.0.1"), ("z", "10.0.0.3"), ("other", ""), ("empty", "")]
)
def test_the_address_on_a_network(network, address):
    made = container(networks={"z": "10.0.0.3", "a": "10.0.0.1", "empty": ""})
    assert made.address(network) == address


def test_an_ipv6_address_counts_where_there_is_no_other():
    data = inspected()
    data["NetworkSettings"]["Networks"] = {"six": {"IPAddress": "", "GlobalIPv6Address": "fd00::2"}}
    assert Container.from_inspect(data).networks == (Network("six", "fd00::2"),)


@pytest.mark.parametrize(("health", "read"), [("healthy", "healthy"), ("none", ""), (None, "")])
def test_health(health, read):
    assert container(health=health, output="ok\n").health == read


def test_the_output_of_the_last_check():
    assert container(health="unhealthy", output="refused\n").health_output == "refused"


def test_one_that_lives_in_anothers_network_has_its_address_and_published_ports():
    other = container("pod", published={"80/tcp": [("", 8080)]}, exposed=["80/tcp", "81/tcp"])
    made = container("app", mode=f"container:{other.id}", networks={}, exposed=["80/tcp"])
    assert made.joined == other.id
    joined = made.living_in(other)
    assert joined.address() == "172.17.0.2"
    assert joined.ports == (Port(80, "tcp", "", 8080),)


def test_what_is_no_container_is_refused_in_words():
    with pytest.raises(ValueError, match="what the engine says of a container"):
        Container.from_inspect({"Id": "x"})
