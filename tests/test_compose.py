"""The compose files: their commands have these options, and they stop in an order that loses nothing."""

import re
import shlex
from pathlib import Path

import pytest
import yaml

from pylb import cli
from pylb.config.parse import parse
from pylb.containers.container import Port
from pylb.containers.conventions import service_name
from pylb.discovery.sources.docker import ports_of
from pylb.routes.grammar import parse_route
from tests.containers.inspected import container

ROOT = Path(__file__).parents[1]
FILES = {
    name: yaml.safe_load((ROOT / name).read_text())["services"]
    for name in ("compose.yml", "compose.docker.yml", "compose.catalog.yml")
}
compose = pytest.mark.parametrize("services", FILES.values(), ids=FILES)


def options_of(service):
    words = shlex.split(service["command"])
    name = words.pop(0) if words[0] in cli.COMMANDS else cli.DEFAULT
    return parse(cli.resolve_name(cli.COMMANDS[name].options), words, {})


@compose
def test_the_commands_are_valid(services):
    for service in services.values():
        if service["image"] == "pylb":
            options_of(service)


@compose
def test_only_one_port_of_the_image_is_balanced(services):
    """With several ports, each would be a service of its own, and none of them the one that is balanced."""
    web = services["web"]
    image = re.search(r"^EXPOSE (.+)$", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)[1].split()
    made = container(labels=web["labels"], exposed=[f"{port}/tcp" for port in (*image, *web["expose"])])
    named = {port.number: service_name(made, port, explicit=True) for port in made.ports}
    assert {str(number): name for number, name in named.items() if name} == {
        port: (*options_of(services["lb"]).service, "web")[0] for port in web["expose"]
    }
    assert ports_of("web", made) == [Port(8000)]


def test_the_registrator_registers_only_named_ports():
    assert options_of(FILES["compose.yml"]["registrator"]).explicit


@compose
def test_clients_stop_before_their_servers(services):
    servers = [name for name, each in services.items() if each.get("command", "").startswith("demo-backend")]
    assert services["lb"]["depends_on"] == servers


@compose
def test_services_that_use_the_engine_have_its_socket(services):
    for service in services.values():
        if service["image"] == "pylb" and (
            service["command"].startswith("registrator") or "--docker" in service["command"]
        ):
            path = options_of(service).docker_host.path
            assert service["volumes"] == [f"{path}:{path}:ro"]
            assert service["user"] == "root"


@compose
def test_the_web_service_can_be_scaled(services):
    assert not {"container_name", "ports", "hostname"} & set(services["web"])


def test_the_services_of_the_catalog_declare_their_routes():
    services = FILES["compose.catalog.yml"]
    assert options_of(services["lb"]).catalog
    declared = {
        name: each["labels"]["SERVICE_LB_ROUTE"] for name, each in services.items() if "labels" in each
    }
    assert declared == {"web": "/", "api": "/api strip=/api"}
    assert [parse_route(name, text).actions.strip for name, text in declared.items()] == [(), ("/api",)]


def test_the_second_file_needs_no_registry():
    assert set(FILES["compose.docker.yml"]) == {"web", "lb"}


@compose
def test_the_image_is_built_once_by_the_first_service(services):
    """Two services that build the same name make two images, and the next `up` replaces containers."""
    builders = [name for name, service in services.items() if "build" in service]
    ours = [name for name, service in services.items() if service["image"] == "pylb"]
    assert builders == ours[:1]
