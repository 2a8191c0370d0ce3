"""Both compose files: their commands have these options, and they stop in an order that loses nothing."""

import shlex
from pathlib import Path

import pytest
import yaml

from pylb import cli
from pylb.config.parse import parse
from pylb.containers.conventions import PREFIX

ROOT = Path(__file__).parents[1]
FILES = {
    name: yaml.safe_load((ROOT / name).read_text())["services"]
    for name in ("compose.yml", "compose.docker.yml")
}
compose = pytest.mark.parametrize("services", FILES.values(), ids=FILES)


def options_of(service):
    words = shlex.split(service["command"])
    name = words.pop(0) if words[0] in cli.COMMANDS else cli.DEFAULT
    return parse(cli.resolve_name(cli.COMMANDS[name].options), words, {})


@compose
def test_the_commands_can_be_read(services):
    for service in services.values():
        if service["image"] == "pylb":
            options_of(service)


@compose
def test_what_is_balanced_is_what_the_containers_call_themselves(services):
    assert options_of(services["lb"]).service == (services["web"]["labels"]["SERVICE_NAME"],)
    assert all(label.startswith(PREFIX) for label in services["web"]["labels"])


@compose
def test_whoever_sends_requests_stops_before_whoever_answers_them(services):
    assert services["lb"]["depends_on"] == ["web"]


@compose
def test_whoever_asks_the_engine_has_its_socket(services):
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


def test_the_second_file_needs_no_registry():
    assert set(FILES["compose.docker.yml"]) == {"web", "lb"}
