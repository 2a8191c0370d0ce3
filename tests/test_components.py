"""Where real components come from, and that an agent can be killed and come back empty."""

import urllib.request

import pytest

from tests import components
from tests.components import Source, classic_sources, deb822_sources, machine_sources

DEB822 = """\
Types: deb deb-src
# a comment between the fields
URIs: http://one.test/debian http://two.test/debian
Suites: bookworm bookworm-updates
Components: main
 contrib
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://one.test/debian-security
Suites: bookworm-security
Components: main

Enabled: no
Types: deb
URIs: http://off.test/debian
Suites: bookworm
Components: main

Types: deb-src
URIs: http://source.test/debian
Suites: bookworm
Components: main
"""
CLASSIC = """\
# deb http://commented.test/debian bookworm main
deb [arch=amd64 signed-by=/k.gpg] http://one.test/debian bookworm main contrib # why
deb http://one.test/debian-security bookworm-security main
deb-src http://source.test/debian bookworm main
deb http://flat.test/repository ./
"""


def test_deb822_sources_are_parsed():
    one, two, security = deb822_sources(DEB822)
    assert one == Source("http://one.test/debian", ("bookworm", "bookworm-updates"), ("main", "contrib"))
    assert two.uri == "http://two.test/debian"
    assert (one.has_releases, two.has_releases, security.has_releases) == (True, True, False)


def test_classic_sources_are_parsed():
    one, security, flat = classic_sources(CLASSIC)
    assert one == Source("http://one.test/debian", ("bookworm",), ("main", "contrib"))
    assert (one.has_releases, security.has_releases, flat.has_releases) == (True, False, False)


def test_machine_sources_reads_both_formats_and_nothing_else(tmp_path):
    (tmp_path / "sources.list").write_text("deb http://a.test/debian bookworm main\n")
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list.d" / "b.sources").write_text(DEB822)
    (tmp_path / "sources.list.d" / "c.list").write_text("deb http://c.test/debian bookworm main\n")
    (tmp_path / "sources.list.d" / "d.list.disabled").write_text("deb http://d.test/debian bookworm main\n")
    uris = [source.uri for source in machine_sources(tmp_path)]
    assert uris[0] == "http://a.test/debian"
    assert uris[-1] == "http://c.test/debian"
    assert len(uris) == 5


def services(agent) -> bytes:
    with urllib.request.urlopen(f"{agent.url}/v1/agent/services") as answer:
        return answer.read()


@pytest.mark.slow
def test_a_restarted_agent_has_the_same_address_and_no_data(own_consul):
    register = urllib.request.Request(
        f"{own_consul.url}/v1/agent/service/register", b'{"Name": "web", "Port": 80}', method="PUT"
    )
    with urllib.request.urlopen(register) as answer:
        assert answer.status == 200
    assert b"web" in services(own_consul)
    own_consul.restart()
    assert services(own_consul).strip() == b"{}"


@pytest.fixture
def bin_directory(tmp_path, monkeypatch):
    """A PATH of one empty directory, and a way to put programs there; nothing is fetched from anywhere."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(components, "_fetched", lambda package, _: tmp_path / package)

    def add(name, script="exit 0"):
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        return program

    return add


def test_an_installed_engine_is_used(bin_directory):
    for name in components.DOCKER_PACKAGES:
        bin_directory(name)
    bin_directory("apt-get", "exit 1")
    assert components.docker_programs() == bin_directory("dockerd")


def test_missing_packages_of_an_engine_are_installed(bin_directory):
    for name in components.DOCKER_PACKAGES:
        bin_directory(name)
    missing = bin_directory("busybox")
    missing.unlink()
    asked = missing.with_name("asked")
    bin_directory("apt-get", f'echo "$@" >> {asked}')
    components.docker_programs()
    assert asked.read_text().splitlines()[-1].endswith("--no-install-recommends busybox-static")


def test_an_engine_that_cannot_be_installed_is_an_error(bin_directory):
    bin_directory("apt-get", "echo no such package >&2; exit 100")
    with pytest.raises(components.ComponentError, match="apt-get update -q: no such package"):
        components.docker_programs()
