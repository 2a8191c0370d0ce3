"""The configurations of proxies that take their backends from Consul are complete."""

import json
import re
import subprocess

import pytest

from bench.failure.__main__ import SET_UPS
from bench.lib.peers.follower import JQ, Registry
from bench.lib.peers.peer import TEMPLATES, Site


class Installed:
    """An installed program."""

    def __init__(self, path):
        self.path = path

    def locate(self):
        return self.path


@pytest.mark.parametrize("name", SET_UPS)
def test_each_configuration_has_the_listen_port_and_the_address_of_consul(name, tmp_path, monkeypatch):
    follower = SET_UPS[name]
    monkeypatch.setattr(follower, "source", Installed(tmp_path / "program"))
    command = follower.command(Site(tmp_path, 11111, (44444,)), Registry(22222, 33333, "web"))
    written = " ".join(command.argv) + "".join(path.read_text() for path in tmp_path.iterdir())
    assert re.search(r"127\.0\.0\.1(:|, port_value: )11111", written)
    assert re.search(r"127\.0\.0\.1:(22222|33333)|port_value: 44444", written)
    assert "@{" not in written


def test_nginx_has_one_server_per_instance(tmp_path):
    def render(*ports):
        answer = json.dumps([{"Service": {"Address": "127.0.0.1", "Port": port}} for port in ports])
        script = [TEMPLATES / "nginx-reloaded.sh", "true", tmp_path / "nginx.conf", JQ.locate()]
        subprocess.run([*script, "consul", "address", "web", "--render"], input=answer, text=True, check=True)
        return (tmp_path / "servers.conf").read_text()

    assert render(81, 82) == "server 127.0.0.1:81;\nserver 127.0.0.1:82;\n"
    assert render() == "server 127.0.0.1:9 down;\n"
