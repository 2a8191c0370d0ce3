"""Proxies that follow Consul: their configurations are complete; nginx has one rendered from an answer."""

import pytest

from bench.peers.follower import FOLLOWERS, Registry
from bench.peers.nginx_reloaded import NOBODY, render
from bench.peers.peer import Site


class Installed:
    """A program that is here."""

    def __init__(self, path):
        self.path = path

    def locate(self):
        return self.path


@pytest.mark.parametrize("name", FOLLOWERS)
def test_each_is_told_where_to_listen_and_where_consul_is(name, tmp_path, monkeypatch):
    follower = FOLLOWERS[name]
    monkeypatch.setattr(follower, "source", Installed(tmp_path / "program"))
    command = follower.command(Site(tmp_path, 11111, ()), Registry(22222, 33333, "web"))
    told = " ".join(command.argv) + "".join(path.read_text() for path in tmp_path.iterdir())
    assert "127.0.0.1:11111" in told
    assert "127.0.0.1:22222" in told or "127.0.0.1:33333" in told
    assert "@{" not in told


def test_nginx_gets_a_server_for_each_instance(tmp_path):
    service = {"Service": {"Address": "127.0.0.1", "Port": 81}}
    render([service, {"Service": {"Address": "127.0.0.1", "Port": 82}}], tmp_path / "nginx.conf")
    assert (tmp_path / "servers.conf").read_text() == "server 127.0.0.1:81;\nserver 127.0.0.1:82;\n"
    render([], tmp_path / "nginx.conf")
    assert (tmp_path / "servers.conf").read_text() == NOBODY
