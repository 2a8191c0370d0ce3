"""Configuration templates with values of the run."""

import pytest

from bench.lib.template import render


def test_placeholders_are_replaced_and_dollars_are_kept(tmp_path):
    template = tmp_path / "proxy.conf"
    template.write_text("listen @port; # $host @@type @directory\n")
    (tmp_path / "site").mkdir()
    written = render(template, tmp_path / "site", port=8080)
    assert written == tmp_path / "site" / "proxy.conf"
    assert written.read_text() == f"listen 8080; # $host @type {tmp_path / 'site'}\n"


def test_a_placeholder_without_a_value_is_an_error(tmp_path):
    template = tmp_path / "proxy.conf"
    template.write_text("listen @port;")
    (tmp_path / "site").mkdir()
    with pytest.raises(KeyError, match="port"):
        render(template, tmp_path / "site")
